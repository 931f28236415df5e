// The routes of a moment, put together by prefix. Pure.
import type { Route } from "../../api/types";

export interface Held {
  prefix: string;
  peers: number; // that were heard and held it
  unheard: number; // that held it when they were last heard
  through: { asn: number; peers: number }[]; // most peers first; 0: none
  origins: number[];
}

export function heldAt(routes: readonly Route[]): Held[] {
  const by = new Map<string, { known: Set<string>; unknown: Set<string>; through: Map<number, Set<string>>; origins: Set<number> }>();
  for (const r of routes) {
    let x = by.get(r.prefix);
    if (!x) by.set(r.prefix, (x = { known: new Set(), unknown: new Set(), through: new Map(), origins: new Set() }));
    const peer = `${r.peer.collector} ${r.peer.addr} ${r.peer.asn}`; // one with ADD-PATH says several routes, and is one
    if (!r.known) {
      x.unknown.add(peer);
      continue;
    }
    x.known.add(peer);
    const up = r.upstream ?? 0;
    const all = x.through.get(up) ?? new Set();
    x.through.set(up, all.add(peer));
    if (r.origin) x.origins.add(r.origin);
  }
  return [...by].map(([prefix, x]) => ({
    prefix,
    peers: x.known.size,
    unheard: x.unknown.size,
    through: [...x.through].map(([asn, peers]) => ({ asn, peers: peers.size })).sort((a, b) => b.peers - a.peers || a.asn - b.asn),
    origins: [...x.origins].sort((a, b) => a - b),
  }));
}
