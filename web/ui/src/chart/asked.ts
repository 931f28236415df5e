// The answers that a timeline is drawn from.
import { useRef } from "preact/hooks";
import { useAsk, type Asked } from "../api/ask";
import type { Timeline } from "../api/types";
import { askedFor, stamp } from "./zoom";

export interface AskedTimeline extends Asked<Timeline> {
  fine: Timeline | undefined; // about what is shown, with finer steps
}

/**
 * Asks for the whole timeline of a thing ("/hosters/mccolo"), and for the part that is shown
 * where that is less. The picture of before stays until a better one is there.
 */
export function useTimeline(path: string | null, from?: string, to?: string): AskedTimeline {
  const whole = useAsk<Timeline>(path === null ? null : `${path}/timeline`);
  const t = whole.data;
  const bounds = t && { from: Date.parse(t.from), to: Date.parse(t.to) };
  const part = bounds && (from || to) ? askedFor({ from: from ? Date.parse(from) : bounds.from, to: to ? Date.parse(to) : bounds.to }, bounds) : undefined;
  const fine = useAsk<Timeline>(t && part && part.from < part.to ? `${path}/timeline` : null, part && { from: stamp(part.from), to: stamp(part.to), since: t!.from });
  const last = useRef<{ path: string | null; t: Timeline | undefined }>({ path: null, t: undefined });
  if (last.current.path !== path) last.current = { path, t: undefined };
  if (fine.data) last.current.t = fine.data;
  return {
    ...whole,
    trouble: whole.trouble ?? fine.trouble,
    asking: whole.asking || fine.asking,
    again: () => {
      whole.again();
      if (part) fine.again();
    },
    fine: fine.data ?? last.current.t,
  };
}
