// A field of several words: typed, or taken from what there is.
import { useId, useRef, useState } from "preact/hooks";
import "./pick.css";

export interface Option {
  value: string;
  name?: string; // as people know it
}

interface PickProps {
  label: string;
  hint?: string;
  chosen: readonly string[];
  options?: readonly Option[];
  change: (chosen: string[]) => void;
  wrong?: string;
  placeholder?: string;
  read?: (typed: string) => string; // what is meant by what is typed
}

/** Enter or a comma takes a word in, its button takes it out. */
export function Pick({ label, hint, chosen, options = [], change, wrong = "", placeholder, read = (s) => s }: PickProps) {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState("");
  const name = (v: string) => options.find((o) => o.value === v)?.name ?? v;
  const meant = (text: string) => options.find((o) => o.value === text || o.name?.toLowerCase() === text.toLowerCase())?.value ?? read(text);
  const take = (text: string) => {
    const words = text.split(/[,\s]+(?![^(]*\))/).length > 1 && !options.some((o) => o.name === text.trim()) ? text.split(/[,;]+|\s{2,}/) : [text];
    const fresh = words.map((w) => w.trim()).filter((w) => w !== "").map(meant);
    const next = [...new Set([...chosen, ...fresh])];
    if (next.length !== chosen.length) change(next);
    setTyped("");
  };
  return (
    <div class="pick">
      <label class="field" for={id}>
        {label}
      </label>
      {chosen.length > 0 && (
        <ul class="pick-words">
          {chosen.map((v) => (
            <li key={v}>
              {name(v)}
              <button
                type="button"
                class="plain"
                aria-label={`Without ${name(v)}`}
                onClick={() => {
                  change(chosen.filter((x) => x !== v));
                  field.current?.focus();
                }}
              >
                <span aria-hidden="true">×</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      <input
        id={id}
        ref={field}
        value={typed}
        list={options.length ? `${id}-list` : undefined}
        placeholder={placeholder}
        autocomplete="off"
        spellcheck={false}
        aria-invalid={wrong !== ""}
        aria-describedby={`${id}-hint ${id}-wrong`}
        onInput={(e) => {
          const text = e.currentTarget.value;
          // What was chosen from the list comes at once, and whole.
          if (text.endsWith(",")) take(text.slice(0, -1));
          else if (!(e as InputEvent).inputType?.startsWith("insertText") && options.some((o) => o.value === text)) take(text);
          else setTyped(text);
        }}
        onKeyDown={(e) => {
          if (e.key === "Enter" && typed.trim()) {
            e.preventDefault();
            take(typed);
          } else if (e.key === "Backspace" && typed === "" && chosen.length > 0) change(chosen.slice(0, -1));
        }}
        onBlur={() => typed.trim() && take(typed)}
      />
      {options.length > 0 && (
        <datalist id={`${id}-list`}>
          {options.filter((o) => !chosen.includes(o.value)).map((o) => (
            <option key={o.value} value={o.value}>
              {o.name}
            </option>
          ))}
        </datalist>
      )}
      {hint && (
        <span class="quiet pick-hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
      <Wrong id={`${id}-wrong`} text={wrong} />
    </div>
  );
}

/** What is wrong with a field. */
export function Wrong({ id, text }: { id: string; text: string }) {
  return (
    <span id={id} class="wrong" aria-live="polite">
      {text}
    </span>
  );
}
