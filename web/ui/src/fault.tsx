// What is shown in place of a page that broke: never nothing.
import { Component, type ComponentChildren } from "preact";
import { useLocation } from "preact-iso";

interface Broken {
  error?: Error | undefined;
  url?: string;
}

/** Shows its children, and when one of them throws, what happened and what to do. Another URL is another try. */
class Boundary extends Component<{ url: string; children: ComponentChildren }, Broken> {
  static override getDerivedStateFromError(error: unknown): Broken {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  static override getDerivedStateFromProps(props: { url: string }, state: Broken): Broken | null {
    return state.url === props.url ? null : { url: props.url, error: undefined };
  }

  override componentDidCatch(error: unknown): void {
    console.error(error);
  }

  render() {
    return this.state.error ? <Fault error={this.state.error} /> : this.props.children;
  }
}

export function Guarded({ children }: { children: ComponentChildren }) {
  const { url } = useLocation();
  return <Boundary url={url}>{children}</Boundary>;
}

function Fault({ error }: { error: Error }) {
  return (
    <div class="page" role="alert">
      <h1>This page broke</h1>
      <p>A fault in it, not in what depeer saw: detection and alarms go on. Load it again; if that does not help, send the text below to whoever looks after depeer.</p>
      <Again />
      <details>
        <summary>{error.message}</summary>
        <pre class="scrolls" tabIndex={0}>
          {location.href}
          {"\n"}
          {error.stack}
        </pre>
      </details>
    </div>
  );
}

/** In place of a page whose code could not be fetched: the server is away, or was updated and has it under another name. */
export function NotFetched() {
  return (
    <div class="page" role="alert">
      <h1>This page could not be fetched</h1>
      <p>depeer does not answer, or was updated since you opened it. Load it again.</p>
      <Again />
    </div>
  );
}

function Again() {
  return (
    <p>
      <button type="button" onClick={() => location.reload()}>
        Load again
      </button>{" "}
      or go <a href="/">to the board</a>, or <a href="/api/v1/status">ask the API</a>.
    </p>
  );
}
