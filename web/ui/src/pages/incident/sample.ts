// An incident for the tests: McColo, as it was reported.
import type { Event, Incident, Story, Told } from "../../api/types";

export function incident(more: Partial<Incident> = {}): Incident {
  return {
    type: "incident", id: "i1", revision: 1, at: "2008-11-11T21:01:31Z", hoster: "mccolo", phase: "open", class: "depeered", severity: "critical",
    opened: "2008-11-11T21:00:47.5Z", confirmed: "2008-11-11T21:01:31Z", resolved: null, resolution: null, lost: [6939], remaining: [3549], gained: [],
    prefixes: ["208.66.192.0/22"], events: ["e1"], summary: "AS6939 dropped McColo Corp.; AS3549 carries it on", ...more,
  };
}

export function event(more: Partial<Event> = {}): Event {
  return {
    type: "event", id: "e1", kind: "upstream.lost", at: "2008-11-11T21:01:31Z", first_seen: "2008-11-11T21:00:47.123456Z", hoster: "mccolo", asn: 26780, upstream: 6939, family: 4,
    prefix: null, prefixes: ["208.66.192.0/22"], before: 0.625, after: 0, eligible: 40, severity: "critical", incident: "i1", sources: ["rrc00"],
    evidence: [{ at: "2008-11-11T21:00:47.123456Z", collector: "rrc00", peer: "198.18.0.9", peer_asn: 64608, type: "A", prefix: "208.66.192.0/22", path: [64608, [1, 2], 3549, 26780] }], ...more,
  };
}

export function told(more: Partial<Told> = {}): Told {
  return { at: "2008-11-11T21:01:33Z", receiver: "pager", outcome: "failed", why: "answered 500", incident: "i1", ...more };
}

export function story(more: Partial<Story> = {}): Story {
  return { incident: incident(), revisions: [incident()], events: [event()], migrations: [], notes: [], deliveries: [], silences: [], gaps: [], missing: [], ...more };
}
