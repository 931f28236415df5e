// Buttons that change something: who may not use one is told why, and what may be regretted asks again.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Trouble } from "../api/ask";
import { mayNot, type Scope } from "../api/who";
import "./do.css";

interface DoProps {
  need: Scope;
  act: () => Promise<unknown>;
  children: ComponentChildren;
  label?: string; // for who hears it: what it is about
  confirm?: string; // a question with what it means; the button then asks it first
  class?: string;
  why?: string; // another reason why it cannot be done
}

/** Does something, and says what came of it where it failed. */
export function Do({ need, act, children, label, confirm, class: look, why = "" }: DoProps) {
  const id = useId();
  const [asks, setAsks] = useState(false);
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState("");
  const yes = useRef<HTMLButtonElement>(null);
  const there = useRef(true);
  useEffect(() => {
    there.current = true;
    return () => void (there.current = false);
  }, []);
  const first = useRef<HTMLButtonElement>(null);
  const asked = useRef(false);
  // The question takes the focus, and whoever says no has it back.
  useLayoutEffect(() => {
    if (asks) yes.current?.focus();
    else if (asked.current) first.current?.focus();
    asked.current = asks;
  }, [asks]);
  const not = why || mayNot(need);
  const go = async () => {
    setBusy(true);
    setTrouble("");
    try {
      await act();
      if (there.current) setAsks(false);
    } catch (e) {
      if (there.current) setTrouble(e instanceof Trouble ? e.detail || e.title : String(e));
    }
    if (there.current) setBusy(false);
  };
  return (
    <span class="do" onKeyDown={(e) => e.key === "Escape" && setAsks(false)}>
      {asks ? (
        <span class="do-asks" role="group" aria-label={confirm}>
          <span>{confirm}</span>
          <button ref={yes} type="button" class="do-yes" disabled={busy} onClick={() => void go()}>
            Yes, {typeof children === "string" ? children.toLowerCase() : "do it"}
          </button>
          <button type="button" onClick={() => setAsks(false)}>
            No
          </button>
        </span>
      ) : (
        <button ref={first} type="button" class={look} disabled={not !== "" || busy} title={not || undefined} aria-label={label} aria-describedby={not ? id : undefined} onClick={() => (confirm ? setAsks(true) : void go())}>
          {children}
        </button>
      )}
      {not && (
        <span class="sr" id={id}>
          {not}
        </span>
      )}
      {trouble && (
        <span class="do-trouble" role="alert">
          {trouble}
        </span>
      )}
    </span>
  );
}

/** The same for all buttons of a part of the page, for who has no mouse to hold over them. */
export function MayNot({ need }: { need: Scope }) {
  const why = mayNot(need);
  return why ? <p class="quiet may-not">{why}: the buttons here rest.</p> : null;
}
