// The bar that moves through a recorded story (depeer demo). Live there is none.
import { useEffect, useRef, useState } from "preact/hooks";
import { askBoard, board } from "./api/board";
import { askPlayback, play, playing, playTrouble, storyNow } from "./api/playback";
import { many, type Headline, type Playing } from "./api/types";
import { End, Intro } from "./playback/screens";
import { chapterAt, clockOf, progress, speedName, untilChapter } from "./playback/story";
import { local } from "./words";
import "./playback.css";

const askEvery = 400; // milliseconds, while it plays and somebody looks
const boardEvery = 4; // of these, the whole board

export function Playback() {
  const p = playing.value;
  const known = board.value?.playback !== undefined;
  const over = p?.over ?? false;
  const paused = p?.paused ?? false;
  useEffect(() => {
    if (!known || over) return;
    let n = 0;
    const timer = setInterval(() => {
      if (document.visibilityState !== "visible") return;
      void askPlayback();
      // What is no change (when a feed was last heard) is old soon where an hour passes in a second.
      if (!paused && ++n % boardEvery === 0) void askBoard();
    }, paused ? 2 * askEvery : askEvery);
    return () => clearInterval(timer);
  }, [known, over, paused]);
  return p ? <Bar p={p} /> : null;
}

function Bar({ p }: { p: Playing }) {
  const bar = useRef<HTMLElement>(null);
  useSpace(() => !p.over && void play({ paused: !p.paused }));
  useBelowHeader(bar);
  // Who comes at the beginning is told first what it is about, and the story waits; who saw the end, what it was.
  const [intro, setIntro] = useState(() => !p.over && untilChapter(p, Date.parse(p.now), 1) > 0);
  const [began] = useState(() => !p.over);
  const [end, setEnd] = useState(false);
  const waits = useRef(false); // for us: who comes in the middle holds up nobody
  useEffect(() => {
    if (!intro || p.begun || p.over) return;
    waits.current = true;
    if (!p.paused) void play({ paused: true });
  }, [intro]);
  useEffect(() => {
    if (p.over && began) setEnd(true);
  }, [p.over]);
  return (
    <section class="playback" aria-label="The story that is played" ref={bar}>
      <div class="playback-top">
        {p.over ? (
          <button type="button" class="primary playback-go" onClick={() => setEnd(true)}>
            Summary
          </button>
        ) : (
          <button type="button" class="primary playback-go" aria-keyshortcuts="Space" title="Space" onClick={() => void play({ paused: !p.paused })}>
            <span class="playback-sign" aria-hidden="true">{p.paused ? "▶" : "❚❚"}</span> {p.paused ? "Play" : "Pause"}
          </button>
        )}
        <StoryClock over={p.over} />
        <Film p={p} />
        <Speed p={p} />
      </div>
      <Caption p={p} />
      <p class="playback-note">
        <strong>A reconstruction.</strong> <span class="playback-note-long">{p.note.replace(/^A reconstruction[^:]*: /, "From published facts; ")}</span>{" "}
        <button type="button" class="plain playback-about" onClick={() => setIntro(true)}>
          What is this?
        </button>
        {playTrouble.value && (
          <span class="playback-trouble" role="status">
            {playTrouble.value}
          </span>
        )}
      </p>
      {intro && (
        <Intro
          p={p}
          waits={waits.current || !p.begun}
          close={() => {
            setIntro(false);
            if (waits.current && !p.over) void play({ paused: false });
            waits.current = false;
          }}
        />
      )}
      {end && <End p={p} close={() => setEnd(false)} />}
    </section>
  );
}

/** The clock of the story. It runs evenly between two answers of the server. */
function StoryClock({ over }: { over: boolean }) {
  const [, tick] = useState(0);
  useEffect(() => {
    if (over) return;
    const timer = setInterval(() => tick((n) => n + 1), 100);
    return () => clearInterval(timer);
  }, [over]);
  const at = storyNow() ?? 0;
  const { day, year, time } = clockOf(at);
  return (
    <time class="playback-clock" dateTime={new Date(at).toISOString()} title={local(at)}>
      <span>{day}</span>
      <span class="playback-year"> {year}</span> <strong>{time}</strong> <span class="quiet">UTC</span>
    </time>
  );
}

/** The chapters, each as wide as the next, and how far the story is; to one that is to come one can go at once. */
function Film({ p }: { p: Playing }) {
  const now = Date.parse(p.now);
  const here = chapterAt(p, now);
  return (
    <ol class="playback-film" aria-label="Chapters">
      {many(p.chapters).map((c, i) => {
        const is = i < here ? "past" : i === here ? "here" : "next";
        const share = i < here || p.over ? 1 : i > here ? 0 : progress(p, now);
        const next = is === "next" && !p.over;
        return (
          <li key={c.at} class={`playback-chapter playback-${is}`} aria-current={is === "here" ? "step" : undefined}>
            <button type="button" class="plain" disabled={!next} title={next ? `On to ${c.title}` : c.title} onClick={() => void play({ to: c.at })}>
              <span class="playback-line" aria-hidden="true">
                <span style={{ width: `${share * 100}%` }} />
              </span>
              <span class="playback-name">{c.title}</span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}

function Speed({ p }: { p: Playing }) {
  return (
    <label class="playback-speed">
      <span class="sr">Speed</span>
      <select disabled={p.over} value={String(p.speed)} onChange={(e) => void play({ speed: Number(e.currentTarget.value) })} title="Speed">
        {[...new Set([...many(p.speeds), p.speed])].map((s) => (
          <option key={s} value={String(s)}>
            {speedName(s)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** What happened as others know it, and what depeer said, which was told nothing of it. */
function Caption({ p }: { p: Playing }) {
  const c = many(p.chapters)[chapterAt(p, Date.parse(p.now))];
  const h = many(p.headlines)[0];
  return (
    <div class="playback-caption">
      <p class="playback-happens">
        <span class="playback-label">What happened</span>
        {c && (
          <span class="playback-text" title={c.source}>
            {c.text}
          </span>
        )}
      </p>
      <p class="playback-says" role="status" aria-live="polite">
        <span class="playback-label">depeer says</span>
        <span class="playback-text">{h ? <Said h={h} /> : <span class="quiet">Nothing yet: all is calm.</span>}</span>
      </p>
      <p class="playback-look">
        <span class="playback-label">Look at</span>
        {c && <span class="playback-text">{c.look}</span>}
      </p>
    </div>
  );
}

function Said({ h }: { h: Headline }) {
  const { time } = clockOf(Date.parse(h.at));
  const to = h.kind === "incident" && h.incident ? `/incidents/${h.incident}` : "/migrations";
  return (
    <a class={`playback-said playback-${h.severity}`} href={to} key={h.at}>
      <span class="quiet">{time}</span> {h.text}
    </a>
  );
}

/** Space plays and pauses where nothing else takes it. */
function useSpace(then: () => void): void {
  const what = useRef(then);
  what.current = then;
  useEffect(() => {
    const key = (e: KeyboardEvent) => {
      const at = e.target as HTMLElement;
      if (e.key !== " " || e.ctrlKey || e.metaKey || e.altKey || e.repeat) return;
      if (at !== document.body && at.id !== "main") return;
      e.preventDefault();
      what.current();
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, []);
}

/** Keeps the bar right below the header, however high that is. */
function useBelowHeader(bar: { current: HTMLElement | null }): void {
  useEffect(() => {
    const header = document.querySelector<HTMLElement>("header.shell");
    if (!header) return;
    const fit = () => {
      const stuck = getComputedStyle(header).position === "sticky" ? header.offsetHeight : 0;
      bar.current?.style.setProperty("--below", `${stuck}px`);
    };
    const watch = new ResizeObserver(fit);
    watch.observe(header);
    fit();
    return () => watch.disconnect();
  }, []);
}
