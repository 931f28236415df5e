// What is around every page: where one is, what one looks for, whether what one sees is fresh.
import { useLocation } from "preact-iso";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { stranger } from "./api/ask";
import { board, boardTrouble, now } from "./api/board";
import { line } from "./api/stream";
import { keepWho, me } from "./api/who";
import { many } from "./api/types";
import { Time } from "./parts/parts";
import { Playback } from "./playback";
import { count, local, utc } from "./words";

const places = [
  { href: "/", name: "Board" },
  { href: "/incidents", name: "Incidents" },
  { href: "/migrations", name: "C&C" },
  { href: "/explain", name: "Explain" },
  { href: "/subscriptions", name: "Subscriptions" },
  { href: "/feeds", name: "Our eyes" },
];

export function Shell({ children }: { children: ComponentChildren }) {
  const { path, route } = useLocation();
  const main = useRef<HTMLElement>(null);
  // Whoever reads by ear or keyboard begins at the top of the new page.
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
  }, [path]);
  useEffect(() => {
    if (stranger.value && path !== "/sign-in") route(`/sign-in?to=${encodeURIComponent(location.pathname + location.search)}`);
  }, [stranger.value, path]);
  // What stands above the content (the bar of a demo) is known with the first answer: nothing is shown to jump then.
  const told = board.value !== undefined || boardTrouble.value !== undefined || stranger.value;
  return (
    <>
      <a class="skip" href="#main">
        To the content
      </a>
      <header class="shell">
        <a class="brand" href="/" aria-label="depeer, the board">
          <img src="/icon.svg" alt="" width="24" height="24" /> <span>depeer</span>
        </a>
        <nav aria-label="Pages">
          {places.map((p) => (
            <a key={p.href} href={p.href} aria-current={here(p.href, path) ? "page" : undefined}>
              {p.name}
            </a>
          ))}
        </nav>
        <Search />
        <Eyes />
        <Clock />
        <Me />
        <Theme />
      </header>
      <Playback />
      <main id="main" ref={main} tabIndex={-1} class={told ? undefined : "waits"}>
        {children}
      </main>
      <Lost />
    </>
  );
}

function here(href: string, path: string): boolean {
  return href === "/" ? path === "/" || path.startsWith("/hosters/") : path === href || path.startsWith(`${href}/`);
}

/** A name, ASN, prefix, address or family. The key / leads here. */
function Search() {
  const { route, query } = useLocation();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const slash = (e: KeyboardEvent) => {
      const in_ = e.target as HTMLElement;
      if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(in_.tagName)) return;
      e.preventDefault();
      field.current?.focus();
      field.current?.select();
    };
    addEventListener("keydown", slash);
    return () => removeEventListener("keydown", slash);
  }, []);
  return (
    <form
      role="search"
      class="search"
      onSubmit={(e) => {
        e.preventDefault();
        const q = field.current?.value.trim();
        if (q) route(`/search?q=${encodeURIComponent(q)}`);
      }}
    >
      <input ref={field} type="search" name="q" defaultValue={query["q"] ?? ""} placeholder="Name, AS, prefix, address, family" aria-label="Search: name, AS, prefix, address or family (key /)" autocomplete="off" spellcheck={false} />
    </form>
  );
}

/** Whether depeer sees, and whether this page hears depeer. */
function Eyes() {
  const b = board.value;
  let is = "quiet";
  let text = "…";
  if (stranger.value) {
    text = "Not signed in";
  } else if (line.value === "lost" || boardTrouble.value) {
    is = "lost";
    text = "No connection";
  } else if (b) {
    const up = many(b.peers).filter((p) => p.state === "up").length;
    is = b.ready ? "good" : "warn";
    text = b.ready ? `${count(up, "peer")}` : "Not all is seen";
  }
  return (
    <a class={`eyes eyes-${is}`} href="/feeds" title={many(b?.reasons).join("\n") || (b ? "All feeds are heard" : undefined)} aria-live="polite">
      <span aria-hidden="true">{is === "good" ? "●" : is === "quiet" ? "○" : "▲"} </span>
      {text}
    </a>
  );
}

/** Says of what time everything is that one sees, while the connection is lost. Below everything, so that nothing jumps. */
function Lost() {
  const since = useRef(0);
  if (line.value !== "lost" || stranger.value) {
    since.current = 0;
    return <div role="status" />; // there before it says something: readers by ear are told then
  }
  since.current ||= now();
  return (
    <div class="lost" role="status">
      <strong>
        <span aria-hidden="true">▲ </span>No connection to depeer.
      </strong>{" "}
      What you see is of <Time at={new Date(since.current).toISOString()} /> or older. It is asked again by itself; if this stays, see whether depeer runs (<code>depeer status</code>).
    </div>
  );
}

function Clock() {
  const [, tick] = useState(0);
  useEffect(() => {
    const t = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(t);
  }, []);
  const at = now();
  return (
    <time class="clock" dateTime={new Date(at).toISOString()} title={local(at)}>
      {board.value ? utc(Math.floor(at / 60_000) * 60_000) : ""}
    </time>
  );
}

/** Who is logged in, where anybody is asked. */
function Me() {
  useEffect(keepWho, []);
  const who = me.value;
  if (!who || who.via === "local") return null;
  return (
    <a class="me" href="/sign-in" aria-label={`Signed in as ${who.name}, ${who.scope}`} title={`${who.name}, ${who.scope}`}>
      <span class="me-sign" aria-hidden="true">
        {who.name.slice(0, 1).toUpperCase()}
      </span>
      <span class="me-name">{who.name}</span>
    </a>
  );
}

/** Light, dark, or as the system has it. */
function Theme() {
  const [is, set] = useState(() => localStorage.getItem("theme") ?? "system");
  useEffect(() => {
    if (is === "system") {
      delete document.documentElement.dataset["theme"];
      localStorage.removeItem("theme");
    } else {
      document.documentElement.dataset["theme"] = is;
      localStorage.setItem("theme", is);
    }
    dispatchEvent(new window.Event("themechange"));
  }, [is]);
  const next = is === "system" ? "dark" : is === "dark" ? "light" : "system";
  return (
    <button type="button" class="plain theme" onClick={() => set(next)} title={`Colours: ${is}; next: ${next}`} aria-label={`Colours: ${is}. Change to ${next}`}>
      <span aria-hidden="true">{is === "system" ? "◐" : is === "dark" ? "☾" : "☀"}</span>
    </button>
  );
}
