// n and p: to the next and previous incident of the list that one came from.
import { signal } from "@preact/signals";
import { useLocation } from "preact-iso";
import { useEffect } from "preact/hooks";
import { ask } from "../../api/ask";
import { many, type Incident, type List } from "../../api/types";

/** Ids in the order of the list that was looked at last. */
export const inOrder = signal<readonly string[]>([]);

/** True where keys are letters: somebody writes, or means the browser. */
export function writing(e: KeyboardEvent): boolean {
  const on = e.target as HTMLElement;
  return e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || on.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(on.tagName);
}

export function useNeighbours(id: string): void {
  const { route } = useLocation();
  useEffect(() => {
    const go = async (e: KeyboardEvent) => {
      if ((e.key !== "n" && e.key !== "p") || writing(e)) return;
      e.preventDefault();
      // Who came by a link has no list: then it is that of all, newest first.
      if (!inOrder.value.includes(id)) inOrder.value = many((await ask<List<Incident>>("/incidents", { limit: 200 })).items).map((i) => i.id);
      const to = inOrder.value[inOrder.value.indexOf(id) + (e.key === "n" ? 1 : -1)];
      if (to) route(`/incidents/${to}`);
    };
    const hear = (e: KeyboardEvent) => void go(e).catch(() => {});
    addEventListener("keydown", hear);
    return () => removeEventListener("keydown", hear);
  }, [id, route]);
}
