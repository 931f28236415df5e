import { describe, expect, it } from "vitest";
import type { Route } from "../api/types";
import { hopsOf, pathGraph, placed, type Graph, type Shape } from "./pathgraph";

const shape: Shape = { columns: 5, most: 12 };

function route(peer: number, path: (number | number[])[], known = true): Route {
  return { peer: { collector: "rrc00", addr: `192.0.2.${peer}`, asn: typeof path[0] === "number" ? path[0] : 0 }, prefix: "208.66.192.0/22", path, since: "2008-11-11T00:00:00Z", known };
}

const node = (g: Graph, id: string) => g.nodes.find((n) => n.id === id);
const edge = (g: Graph, from: string, to: string) => g.edges.find((e) => e.from === from && e.to === to);

describe("pathGraph", () => {
  it("puts the hoster in column 0, its upstreams in 1, and counts peers", () => {
    const g = pathGraph([route(1, [64601, 3356, 6939, 26780]), route(2, [64602, 6939, 26780]), route(3, [64603, 3549, 26780])], undefined, [26780], shape);
    expect(node(g, "26780")).toMatchObject({ column: 0, kind: "hoster", before: 3, state: "stays" });
    expect(node(g, "6939")).toMatchObject({ column: 1, before: 2 });
    expect(node(g, "3356")).toMatchObject({ column: 2, before: 1 });
    expect(edge(g, "6939", "26780")).toMatchObject({ before: 2, state: "stays" });
    expect(edge(g, "3549", "26780")).toMatchObject({ before: 1 });
  });

  it("tells what went, what came, and what stays", () => {
    const g = pathGraph([route(1, [64601, 6939, 26780]), route(2, [64602, 226, 26780])], [route(1, [64601, 1299, 26780]), route(2, [64602, 226, 26780])], [26780], shape);
    expect(edge(g, "6939", "26780")).toMatchObject({ state: "went", before: 1, after: 0 });
    expect(edge(g, "1299", "26780")).toMatchObject({ state: "came", before: 0, after: 1 });
    expect(edge(g, "226", "26780")).toMatchObject({ state: "stays" });
    expect(node(g, "64601")!.state).toBe("stays");
    expect(node(g, "6939")!.state).toBe("went");
  });

  it("takes a peer that is not heard for no loss", () => {
    const was = [route(1, [64601, 6939, 26780]), route(2, [64602, 3549, 26780])];
    const g = pathGraph(was, [route(1, [64601, 6939, 26780], false)], [26780], shape);
    expect(edge(g, "6939", "26780")).toMatchObject({ state: "unknown", unknown: 1 });
    expect(edge(g, "3549", "26780")!.state).toBe("went");
    // Nor for an announcement, when it is heard again.
    expect(edge(pathGraph([route(1, [64601, 6939, 26780], false)], [route(1, [64601, 6939, 26780])], [26780], shape), "6939", "26780")!.state).toBe("stays");
  });

  it("counts a peer once, however many prefixes it holds", () => {
    const other = { ...route(1, [64601, 6939, 26780]), prefix: "208.72.168.0/21" };
    expect(edge(pathGraph([route(1, [64601, 6939, 26780]), other], undefined, [26780], shape), "6939", "26780")!.before).toBe(1);
  });

  it("keeps sets as sets, and counts prepending once", () => {
    const g = pathGraph([route(1, [64601, 6939, 26780, [64511, 64510]])], undefined, [26780], shape);
    expect(node(g, "{64510,64511}")).toMatchObject({ kind: "set", column: -1, asns: [64510, 64511] });
    expect(hopsOf([1, 1, 2, [4, 3], [3, 4], 5, 5])).toEqual([1, 2, [4, 3], 5]);
  });

  it("takes the origin for the centre where no hoster is in the path", () => {
    const g = pathGraph([route(1, [64601, 3356, 64666])], undefined, [26780], shape);
    expect(node(g, "64666")).toMatchObject({ kind: "origin", column: 0 });
    expect(node(g, "3356")!.column).toBe(1);
  });

  it("says how many hold it without a path", () => {
    expect(pathGraph([route(1, [])], undefined, [26780], shape)).toMatchObject({ pathless: 1, nodes: [] });
  });

  it("leaves out what is between a far peer and the hops that are shown, and says so", () => {
    const g = pathGraph([route(1, [9, 8, 7, 6, 5, 26780])], undefined, [26780], { columns: 3, most: 12 });
    expect(g.nodes.map((n) => n.id)).toEqual(["9", "6", "5", "26780"]);
    expect(edge(g, "9", "6")).toMatchObject({ elided: true, before: 1 });
    expect(edge(g, "6", "5")!.elided).toBe(false);
    const short = pathGraph([route(1, [9, 6, 5, 26780])], undefined, [26780], { columns: 3, most: 12 });
    expect(edge(short, "9", "6")!.elided).toBe(false);
  });

  it("folds those that stand alike, and no others", () => {
    const was = Array.from({ length: 40 }, (_, i) => route(i, [64600 + i, i < 25 ? 6939 : 3549, 26780]));
    const is = was.filter((_, i) => i >= 25);
    const g = pathGraph(was, is, [26780], shape);
    const folds = g.nodes.filter((n) => n.kind === "fold");
    expect(folds.map((n) => [n.asns.length, n.before, n.after, n.state])).toEqual([
      [25, 25, 0, "went"],
      [15, 15, 15, "stays"],
    ]);
    expect(edge(g, folds[0]!.id, "6939")).toMatchObject({ before: 25, after: 0, state: "went" });
  });

  it("folds the least where nothing is alike, and never the hoster", () => {
    const was = Array.from({ length: 60 }, (_, i) => route(i, [64600 + i, 100 + i, 26780]));
    const g = pathGraph(was, undefined, [26780], shape);
    for (const c of [1, 2]) expect(g.nodes.filter((n) => n.column === c).length).toBeLessThanOrEqual(shape.most);
    expect(node(g, "26780")!.before).toBe(60);
    expect(g.edges.filter((e) => e.to === "26780").reduce((n, e) => n + e.before, 0)).toBe(60);
  });

  it("folds origins too, where an upstream has many behind it, and keeps those that are watched", () => {
    const was = Array.from({ length: 60 }, (_, i) => route(i, [64600 + (i % 10), 6939, i === 7 ? 26780 : 65000 + i]));
    const g = pathGraph(was, was.filter((_, i) => i !== 7), [26780], shape);
    const right = g.nodes.filter((n) => n.column === 0);
    expect(right.length).toBeLessThanOrEqual(shape.most);
    expect(right.map((n) => [n.kind, n.asns.length, n.state])).toEqual(expect.arrayContaining([["hoster", 1, "went"], ["fold", 59, "stays"]]));
  });

  it("is the same in whatever order the routes come", () => {
    const was = Array.from({ length: 30 }, (_, i) => route(i, [64600 + i, 3356 + (i % 7), i % 3 ? 6939 : 3549, 26780]));
    const is = was.filter((_, i) => i % 3 === 0);
    const draw = (a: Route[], b: Route[]) => placed(pathGraph(a, b, [26780], shape), { width: 800, height: 300, letter: 7, label: (n) => n.id });
    expect(draw([...was].reverse(), [...is].reverse())).toEqual(draw(was, is));
  });

  it("does not end where paths run in circles", () => {
    const g = pathGraph([route(1, [1, 2, 3, 26780]), route(2, [3, 2, 1, 26780]), route(3, [2, 26780])], undefined, [26780], shape);
    expect(node(g, "2")!.column).toBe(1);
    expect(placed(g, { width: 600, height: 200, letter: 7, label: (n) => n.id }).edges).toHaveLength(g.edges.length);
  });
});

describe("placed", () => {
  const was = Array.from({ length: 40 }, (_, i) => route(i, [64600 + i, 3356 + (i % 9), i % 3 ? 6939 : 3549, 26780, ...(i % 5 ? [] : [64999])]));
  for (const [width, height] of [[900, 320], [350, 260]] as const) {
    it(`keeps everything within ${width} × ${height}, and nothing on top of another`, () => {
      const g = pathGraph(was, undefined, [26780], { columns: width < 500 ? 2 : 5, most: 9 });
      const p = placed(g, { width, height, letter: 7, label: (n) => (n.kind === "fold" ? `${n.asns.length} networks` : String(n.asns[0])) });
      for (const n of p.nodes) {
        expect(n.x - n.width / 2).toBeGreaterThanOrEqual(-0.5);
        expect(n.x + n.width / 2).toBeLessThanOrEqual(width + 0.5);
        expect(n.y - n.height / 2).toBeGreaterThanOrEqual(-0.5);
        expect(n.y + n.height / 2).toBeLessThanOrEqual(height + 0.5);
      }
      for (const a of p.nodes) for (const b of p.nodes) {
        if (a === b || a.x !== b.x) continue;
        expect(Math.abs(a.y - b.y)).toBeGreaterThanOrEqual((a.height + b.height) / 2);
      }
    });
  }

  it("leads an edge over columns past the nodes in them", () => {
    const g = pathGraph([route(1, [1, 2, 3, 26780]), route(2, [5, 2, 26780]), route(3, [1, 3, 26780])], undefined, [26780], shape);
    const p = placed(g, { width: 600, height: 200, letter: 7, label: (n) => n.id });
    for (const e of p.edges) for (const q of e.points.slice(1, -1)) for (const n of p.nodes) {
      if (n.x === q.x) expect(Math.abs(n.y - q.y)).toBeGreaterThan(n.height / 2);
    }
  });
});
