// Mouse, fingers and wheel upon a drawing along time.
import { useEffect, useRef } from "preact/hooks";
import type { RefObject } from "preact";
import { moved, within, zoomed, type Span } from "./zoom";

export interface Hands {
  span: () => Span;
  bounds: () => Span;
  show: (s: Span, done: boolean) => void; // done: this gesture is over
  brush: (ends: [number, number] | undefined) => void; // pixels of what is being marked
  point: (x: number | undefined) => void; // where the pointer is
  pick: (at: number) => void; // a click
}

/** A click may tremble by so much. */
const still = 5;

/**
 * Drag marks a period to look at; with Shift, or a finger, it moves what is shown; two fingers
 * and the wheel zoom. The wheel alone scrolls the page unless the drawing has the focus.
 */
export function useHands(place: RefObject<HTMLElement | null>, hands: Hands): void {
  const h = useRef(hands);
  h.current = hands;
  useEffect(() => {
    const el = place.current;
    if (!el) return;
    const fingers = new Map<number, number>(); // pointer: where it is
    let began: { x: number; span: Span; pan: boolean } | undefined;
    let travelled = 0;
    const xOf = (e: MouseEvent) => e.clientX - el.getBoundingClientRect().left;
    const timeAt = (x: number, s = h.current.span()) => s.from + (x / el.clientWidth) * (s.to - s.from);
    const spread = () => {
      const all = [...fingers.values()];
      return { middle: (Math.min(...all) + Math.max(...all)) / 2, width: Math.max(20, Math.max(...all) - Math.min(...all)) };
    };
    let pinch: { width: number; at: number; span: Span } | undefined;

    const down = (e: PointerEvent) => {
      if (e.button > 1 || (e.target as Element).closest("a, button")) return;
      fingers.set(e.pointerId, xOf(e));
      if (fingers.size === 2) {
        const s = spread();
        pinch = { width: s.width, at: timeAt(s.middle), span: h.current.span() };
        began = undefined;
        h.current.brush(undefined);
        return;
      }
      began = { x: xOf(e), span: h.current.span(), pan: e.shiftKey || e.button === 1 || e.pointerType === "touch" };
      travelled = 0;
      el.setPointerCapture(e.pointerId);
    };
    const move = (e: PointerEvent) => {
      const x = xOf(e);
      if (fingers.has(e.pointerId)) fingers.set(e.pointerId, x);
      if (pinch && fingers.size === 2) {
        const s = spread();
        const width = (pinch.span.to - pinch.span.from) * (pinch.width / s.width);
        const from = pinch.at - (s.middle / el.clientWidth) * width;
        h.current.show(within({ from, to: from + width }, h.current.bounds()), false);
        return;
      }
      if (!began) {
        if (e.pointerType !== "touch") h.current.point(x);
        return;
      }
      travelled = Math.max(travelled, Math.abs(x - began.x));
      if (travelled < still) return;
      if (began.pan) h.current.show(moved(began.span, (began.x - x) / el.clientWidth, h.current.bounds()), false);
      else {
        h.current.brush([Math.min(began.x, x), Math.max(began.x, x)]);
        h.current.point(x);
      }
    };
    const up = (e: PointerEvent) => {
      fingers.delete(e.pointerId);
      if (pinch) {
        pinch = undefined;
        h.current.show(h.current.span(), true);
        return;
      }
      if (!began) return;
      const b = began;
      began = undefined;
      h.current.brush(undefined);
      const x = Math.min(Math.max(0, xOf(e)), el.clientWidth);
      if (travelled < still) h.current.pick(timeAt(x));
      else if (b.pan) h.current.show(h.current.span(), true);
      else h.current.show(within({ from: timeAt(Math.min(b.x, x)), to: timeAt(Math.max(b.x, x)) }, h.current.bounds()), true);
    };
    const cancel = (e: PointerEvent) => {
      fingers.delete(e.pointerId);
      began = pinch = undefined;
      h.current.brush(undefined);
    };
    const leave = () => h.current.point(undefined);
    const wheel = (e: WheelEvent) => {
      const along = e.shiftKey ? e.deltaY || e.deltaX : e.deltaX;
      const mine = e.ctrlKey || e.metaKey || el.parentElement?.parentElement?.contains(document.activeElement);
      const s = h.current.span();
      if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
        e.preventDefault();
        h.current.show(moved(s, pixels(e, along) / el.clientWidth, h.current.bounds()), false);
        h.current.show(h.current.span(), true);
        return;
      }
      if (!mine) return;
      e.preventDefault();
      h.current.show(zoomed(s, Math.exp(Math.max(-0.7, Math.min(0.7, pixels(e, e.deltaY) * 0.003))), timeAt(xOf(e)), h.current.bounds()), true);
    };
    const hear: [string, (e: never) => void][] = [["pointerdown", down], ["pointermove", move], ["pointerup", up], ["pointercancel", cancel], ["pointerleave", leave]];
    for (const [name, f] of hear) el.addEventListener(name, f as EventListener);
    el.addEventListener("wheel", wheel, { passive: false });
    return () => {
      for (const [name, f] of hear) el.removeEventListener(name, f as EventListener);
      el.removeEventListener("wheel", wheel);
    };
  }, []);
}

/** Some wheels count lines or pages. */
function pixels(e: WheelEvent, by: number): number {
  return e.deltaMode === 1 ? by * 16 : e.deltaMode === 2 ? by * 400 : by;
}
