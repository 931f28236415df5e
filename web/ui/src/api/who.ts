// Who looks at the pages, and what they may do. The server decides; the pages only say it beforehand.
import { effect, signal } from "@preact/signals";
import { ask, forgetAnswers, generation, send, stranger, Trouble, welcome } from "./ask";
import { askBoard, board } from "./board";
import { closeStream, openStream } from "./stream";
import type { Who } from "./types";

export type Scope = "viewer" | "operator" | "admin";

/** Nobody until it was asked. */
export const me = signal<Who | undefined>(undefined);

const scopes: readonly string[] = ["viewer", "operator", "admin"];

/** Whether a scope holds another: each holds those before it. */
export function holds(have: string | undefined, need: Scope): boolean {
  return scopes.indexOf(have ?? "") >= scopes.indexOf(need);
}

/** Why who looks may not do what needs a scope; "" where they may, or where it is not known yet. */
export function mayNot(need: Scope, who: Who | undefined = me.value): string {
  if (!who || holds(who.scope, need)) return "";
  return `${who.name} is ${article(who.scope)}; this needs ${article(need)}`;
}

function article(scope: string): string {
  return `${/^[aeiou]/.test(scope) ? "an" : "a"} ${scope}`;
}

export async function askWho(): Promise<void> {
  try {
    me.value = await ask<Who>("/whoami");
  } catch (e) {
    if (e instanceof Trouble && e.status === 401) me.value = undefined;
  }
}

/** Keeps up who it is: asked anew with everything else. */
export function keepWho(): () => void {
  return effect(() => {
    if (generation.value >= 0) void askWho();
  });
}

/** The ways to log in that there are; none: nobody is asked who they are. */
export interface Ways {
  oidc: boolean;
  tokens: boolean;
}

export function askWays(): Promise<Ways> {
  return ask<Ways>("/login/ways", undefined, undefined, "");
}

/** Shows a token, and begins anew as whose it is. */
export async function signIn(token: string): Promise<void> {
  me.value = await send<Who>("POST", "/login/token", { token }, "");
  welcome();
  void askBoard();
  openStream();
}

/** Ends the session, and forgets what it has seen. */
export async function signOut(): Promise<void> {
  await send("POST", "/logout", undefined, "");
  closeStream();
  me.value = undefined;
  board.value = undefined;
  forgetAnswers();
  stranger.value = true;
}

/** A page of ours to go to afterwards, whatever was asked for. */
export function localPath(to: string | undefined): string {
  if (!to || !/^\/(?![/\\])/.test(to) || /[\\\u0000-\u001f]/.test(to) || /^\/(sign-in|login|logout)\b/.test(to)) return "/";
  return to;
}
