import { render, type ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { lazy, LocationProvider, Route, Router } from "preact-iso";
import { keepBoard } from "./api/board";
import { openStream } from "./api/stream";
import { Guarded, NotFetched } from "./fault";
import { Board } from "./pages/board";
import { Shell } from "./shell";
import "./base.css";

// A page that could not be fetched is tried again when it is loaded anew.
function later(fetched: Promise<ComponentType>): Promise<ComponentType> {
  return fetched.catch(() => NotFetched);
}

// What the server answers by itself is no page: the browser asks for it.
const ours = /^\/(?!api\/|openapi|login|logout|metrics|healthz|readyz)/;

// What draws is fetched when it is looked at: the board is there at once.
const Hoster = lazy(() => later(import("./pages/hoster").then((m) => m.Hoster)));
const Incidents = lazy(() => later(import("./pages/incidents").then((m) => m.Incidents)));
const Incident = lazy(() => later(import("./pages/incident").then((m) => m.Incident)));
const Events = lazy(() => later(import("./pages/incidents").then((m) => m.Events)));
const Prefix = lazy(() => later(import("./pages/prefix").then((m) => m.Prefix)));
const Asn = lazy(() => later(import("./pages/prefix").then((m) => m.Asn)));
const Upstream = lazy(() => later(import("./pages/upstream").then((m) => m.Upstream)));
const Family = lazy(() => later(import("./pages/family").then((m) => m.Family)));
const Migrations = lazy(() => later(import("./pages/family").then((m) => m.Migrations)));
const Explain = lazy(() => later(import("./pages/explain").then((m) => m.Explain)));
const Subscriptions = lazy(() => later(import("./pages/subscriptions").then((m) => m.Subscriptions)));
const Feeds = lazy(() => later(import("./pages/feeds").then((m) => m.Feeds)));
const Search = lazy(() => later(import("./pages/search").then((m) => m.Search)));
const SignIn = lazy(() => later(import("./pages/signin").then((m) => m.SignIn)));

function Nowhere() {
  useEffect(() => {
    document.title = "There is no such page – depeer";
  }, []);
  return (
    <div class="page">
      <h1>There is no such page</h1>
      <p>
        <a href="/">To the board</a>, or search above for a name, an AS, a prefix, an address or a family.
      </p>
    </div>
  );
}

function Pages() {
  useEffect(() => {
    openStream();
    return keepBoard();
  }, []);
  return (
    <LocationProvider scope={ours}>
      <Shell>
        <Guarded>
          <Router>
            <Route path="/" component={Board} />
            <Route path="/hosters/:id" component={Hoster} />
            <Route path="/incidents" component={Incidents} />
            <Route path="/incidents/:id" component={Incident} />
            <Route path="/events" component={Events} />
            <Route path="/prefixes/:address/:bits?" component={Prefix} />
            <Route path="/asns/:asn" component={Asn} />
            <Route path="/upstreams/:asn" component={Upstream} />
            <Route path="/families/:family" component={Family} />
            <Route path="/migrations" component={Migrations} />
            <Route path="/explain" component={Explain} />
            <Route path="/subscriptions" component={Subscriptions} />
            <Route path="/feeds" component={Feeds} />
            <Route path="/search" component={Search} />
            <Route path="/sign-in" component={SignIn} />
            <Route default component={Nowhere} />
          </Router>
        </Guarded>
      </Shell>
    </LocationProvider>
  );
}

render(<Pages />, document.getElementById("pages")!);
