// While one steps from moment to moment, the answer of before stays until the next one is there.
import { useRef } from "preact/hooks";
import type { Asked } from "../../api/ask";

/** The same question with its last answer; about is what all these questions are about: of another nothing stays. */
export function useKept<T>(asked: Asked<T>, about: string): Asked<T> {
  const last = useRef<{ about: string; data: T | undefined }>({ about, data: undefined });
  if (last.current.about !== about) last.current = { about, data: undefined };
  if (asked.data !== undefined) last.current.data = asked.data;
  return { ...asked, data: last.current.data };
}
