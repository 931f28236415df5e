import { render } from "preact";
import { useEffect } from "preact/hooks";
import { ErrorBoundary, lazy, LocationProvider, Route, Router } from "preact-iso";
import { keepBoard } from "./api/board";
import { openStream } from "./api/stream";
import { Board } from "./pages/board";
import { Shell } from "./shell";
import "./base.css";

// What draws is fetched when it is looked at: the board is there at once.
const Hoster = lazy(() => import("./pages/hoster").then((m) => m.Hoster));
const Incidents = lazy(() => import("./pages/incidents").then((m) => m.Incidents));
const Incident = lazy(() => import("./pages/incident").then((m) => m.Incident));
const Events = lazy(() => import("./pages/incidents").then((m) => m.Events));
const Prefix = lazy(() => import("./pages/prefix").then((m) => m.Prefix));
const Asn = lazy(() => import("./pages/prefix").then((m) => m.Asn));
const Upstream = lazy(() => import("./pages/upstream").then((m) => m.Upstream));
const Family = lazy(() => import("./pages/family").then((m) => m.Family));
const Migrations = lazy(() => import("./pages/family").then((m) => m.Migrations));
const Explain = lazy(() => import("./pages/explain").then((m) => m.Explain));
const Subscriptions = lazy(() => import("./pages/subscriptions").then((m) => m.Subscriptions));
const Feeds = lazy(() => import("./pages/feeds").then((m) => m.Feeds));
const Search = lazy(() => import("./pages/search").then((m) => m.Search));
const SignIn = lazy(() => import("./pages/signin").then((m) => m.SignIn));

function Nowhere() {
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
    <LocationProvider>
      <Shell>
        <ErrorBoundary>
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
        </ErrorBoundary>
      </Shell>
    </LocationProvider>
  );
}

render(<Pages />, document.getElementById("pages")!);
