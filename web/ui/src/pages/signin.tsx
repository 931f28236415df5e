import { useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { stranger, Trouble } from "../api/ask";
import { askWays, localPath, me, signIn, signOut, type Ways } from "../api/who";
import { Panel, Skeleton, Time, TroubleBox } from "../parts/parts";
import { useQuery } from "../place";
import "./signin.css";

/** Who one is, and how one becomes somebody. */
export function SignIn() {
  const [query] = useQuery();
  const to = localPath(query["to"]);
  const [ways, setWays] = useState<Ways | undefined>();
  const [trouble, setTrouble] = useState<Trouble | undefined>();
  const [tries, again] = useState(0);
  useEffect(() => {
    document.title = "Sign in – depeer";
  }, []);
  useEffect(() => {
    askWays().then(setWays, (e: unknown) => setTrouble(e as Trouble));
  }, [tries]);
  return (
    <div class="page signin">
      <h1>{me.value && !stranger.value ? "Who you are" : "Sign in"}</h1>
      {me.value && !stranger.value && <Known to={to} open={ways !== undefined && !ways.oidc && !ways.tokens} />}
      {trouble ? <TroubleBox trouble={trouble} again={() => (setTrouble(undefined), again(tries + 1))} /> : ways ? <Doors ways={ways} to={to} /> : <Skeleton height={160} />}
    </div>
  );
}

const scopeWords: Record<string, string> = {
  viewer: "a viewer: reads everything but who did what",
  operator: "an operator: also acknowledges, comments, silences, subscribes and reports sightings",
  admin: "an admin: may do everything, also take subscriptions away and read who did what",
};

function Known({ to, open }: { to: string; open: boolean }) {
  const [trouble, setTrouble] = useState<Trouble | undefined>();
  const who = me.value;
  if (!who) return null;
  if (who.via === "local" || open) {
    return (
      <Panel title="Nobody is asked">
        <p>This depeer listens on its own machine alone, and asks nobody who they are: whoever can reach it may do everything.</p>
        <p>
          To let others in, set <code>web.auth.tokens</code> or <code>web.auth.oidc</code> in its configuration. <a href="/">To the board</a>
        </p>
      </Panel>
    );
  }
  return (
    <Panel title={who.name}>
      <p>
        You are {scopeWords[who.scope] ?? who.scope}. You came with {who.via === "token" ? "a token" : "a login"}
        {who.until && (
          <>
            ; it holds until <Time at={who.until} />
          </>
        )}
        .
      </p>
      {trouble && <TroubleBox trouble={trouble} />}
      <p class="signin-do">
        <a class="button" href={to}>
          {to === "/" ? "To the board" : `Go on to ${to}`}
        </a>
        <button type="button" onClick={() => void signOut().catch((e: unknown) => setTrouble(e as Trouble))}>
          Sign out
        </button>
      </p>
    </Panel>
  );
}

function Doors({ ways, to }: { ways: Ways; to: string }) {
  if (!ways.oidc && !ways.tokens) return null;
  if (me.value && !stranger.value) {
    return (
      <details class="signin-other">
        <summary>Sign in as somebody else</summary>
        <Ways_ ways={ways} to={to} />
      </details>
    );
  }
  return <Ways_ ways={ways} to={to} />;
}

function Ways_({ ways, to }: { ways: Ways; to: string }) {
  return (
    <div class="signin-ways">
      {ways.oidc && (
        <Panel title="With your account">
          <p>Your login provider says who you are, and what you may do.</p>
          <p>
            {/* Not one of the pages: target keeps the router away. */}
            <a class="button primary" href={`/login?next=${encodeURIComponent(to)}`} target="_top">
              Log in
            </a>
          </p>
        </Panel>
      )}
      {ways.tokens && <WithToken to={to} />}
    </div>
  );
}

function WithToken({ to }: { to: string }) {
  const { route } = useLocation();
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  const show = async (e: SubmitEvent) => {
    e.preventDefault();
    const form = e.currentTarget as HTMLFormElement;
    const field = form.elements.namedItem("token") as HTMLInputElement;
    setWrong("");
    setBusy(true);
    try {
      await signIn(field.value.trim());
      field.value = "";
      route(to, true);
    } catch (x) {
      setWrong(refusal(x as Trouble));
      setBusy(false);
      field.focus();
      field.select();
    }
  };
  return (
    <Panel title="With a token">
      <form onSubmit={(e) => void show(e)}>
        <label class="field">
          Token
          <input name="token" type="password" required autocomplete="current-password" spellcheck={false} placeholder="depeer_…" aria-invalid={wrong !== ""} aria-describedby="signin-how signin-wrong" autofocus />
        </label>
        <p id="signin-wrong" role="alert" class={wrong ? "trouble" : "signin-empty"}>
          {wrong}
        </p>
        <button type="submit" class="primary" disabled={busy}>
          Sign in
        </button>
        <p id="signin-how" class="quiet">
          Whoever runs this depeer makes one: <code>depeer tokens create YOUR-NAME --scope operator</code>. It is sent this once; what stays is a session, which ends with the token.
        </p>
      </form>
    </Panel>
  );
}

function refusal(t: Trouble): string {
  switch (t.status) {
    case 401:
      return "This token is not known, or has ended or been revoked. Is it whole (depeer_ and 43 letters)? Whoever runs this depeer sees with depeer tokens list which ones hold, and makes another with depeer tokens create.";
    case 429:
      return `Too many tries from here: again in ${t.retryAfter || 1} s.`;
    default:
      return t.detail || t.title;
  }
}
