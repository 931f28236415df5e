package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/watch/timeline"
	"depeer/web"
)

// families is what is known of C&C in the world of the tests.
type families struct{}

func (families) Housed(context.Context) ([]cnc.Housed, error) {
	return []cnc.Housed{
		{Hoster: "mccolo", Name: "McColo Corp.", Family: "Mega-D", Since: at(-60), Last: at(5), Hosts: 2, Fate: cnc.Gone, MovedTo: []cnc.Network{}},
		{Hoster: "mccolo", Name: "McColo Corp.", Family: "Rustock", Since: at(5), Last: at(5), Hosts: 1, Fate: cnc.Moved, MovedTo: []cnc.Network{{ASN: 64999, Name: "EXAMPLE-SUCCESSOR"}}},
		{Hoster: "other", Name: "Other", Family: "some new thing", Since: at(5), Last: at(5), Hosts: 1, Fate: cnc.There, MovedTo: []cnc.Network{}},
	}, nil
}

func (families) Residences(_ context.Context, family string) ([]cnc.Residence, error) {
	if family != "Rustock" {
		return nil, fmt.Errorf("%w: %s was not seen anywhere", web.ErrUnknown, family)
	}
	var out []cnc.Residence
	for i := range 502 { // more than an answer has
		out = append(out, cnc.Residence{ASN: uint32(65000 + i), Since: at(45), Last: at(600 - i), Hosts: 1, Alive: true})
	}
	return append(out, cnc.Residence{ASN: 26780, Name: "McColo Corp.", Hoster: "mccolo", Since: at(5), Last: at(5), Hosts: 1}), nil
}

func (families) Names() *cnc.Families { return cnc.DefaultFamilies() }

func (families) AS(asn uint32, _ time.Time) (cnc.ASFacts, bool) {
	return cnc.ASFacts{Name: "HURRICANE"}, asn == 6939
}

func (w *world) space(_ context.Context, p netip.Prefix) ([]web.Space, error) {
	var out []web.Space
	for _, x := range []web.Space{{Prefix: netip.MustParsePrefix("208.66.195.0/24"), Hosters: []string{"mccolo"}}, {Prefix: mccolo, Hosters: []string{"mccolo"}, Listed: true}} {
		if x.Prefix.Overlaps(p) {
			out = append(out, x)
		}
	}
	return out, nil
}

func search(t *testing.T, c *caller, q string) (web.Search, string) {
	t.Helper()
	a := c.get("/api/v1/search?" + url.Values{"q": {q}}.Encode())
	var x web.Search
	if err := json.Unmarshal([]byte(a.body), &x); err != nil || a.status != http.StatusOK {
		t.Fatalf("%q: %d %s", q, a.status, a.body)
	}
	var said []string
	for _, r := range x.Results {
		said = append(said, r.Kind+" "+r.URL)
	}
	return x, strings.Join(said, ", ")
}

func TestSearch(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	as26780 := "hoster /hosters/mccolo, as /asns/26780"
	for _, x := range []struct{ q, understood, want string }{
		{"mccolo", "words", "hoster /hosters/mccolo"},
		{"  COLO  corp ", "words", "hoster /hosters/mccolo"},
		{"AS26780", "an AS number: AS26780", as26780}, {"as 26780", "an AS number: AS26780", as26780}, {"ASN26780", "an AS number: AS26780", as26780},
		{"26780", "an AS number: AS26780", as26780}, {"0.26780", "an AS number: AS26780", as26780}, {"AS0.26780", "an AS number: AS26780", as26780},
		{"6939", "an AS number: AS6939", "upstream /upstreams/6939, as /asns/6939"},
		{"AS64999", "an AS number: AS64999", "as /asns/64999"},
		{"1.10", "an AS number: AS65546", "as /asns/65546"},
		{"208.66.195.15", "an address: 208.66.195.15", "address /prefixes/208.66.195.15, hoster /hosters/mccolo, prefix /prefixes/208.66.195.0/24, prefix /prefixes/208.66.192.0/22, family /families/rustock"},
		{"::ffff:208.66.195.15", "an address: 208.66.195.15", "address /prefixes/208.66.195.15, hoster /hosters/mccolo, prefix /prefixes/208.66.195.0/24, prefix /prefixes/208.66.192.0/22, family /families/rustock"},
		{"208.66.192.0/22", "a prefix: 208.66.192.0/22", "prefix /prefixes/208.66.192.0/22, hoster /hosters/mccolo, prefix /prefixes/208.66.195.0/24, family /families/rustock"},
		{"208.66.192.7/22", "a prefix: 208.66.192.0/22", "prefix /prefixes/208.66.192.0/22, hoster /hosters/mccolo, prefix /prefixes/208.66.195.0/24, family /families/rustock"},
		{"208.66.195", "a prefix: 208.66.195.0/24", "prefix /prefixes/208.66.195.0/24, hoster /hosters/mccolo, prefix /prefixes/208.66.192.0/22, family /families/rustock"},
		{"208.66.", "a prefix: 208.66.0.0/16", "prefix /prefixes/208.66.0.0/16, hoster /hosters/mccolo, prefix /prefixes/208.66.195.0/24, prefix /prefixes/208.66.192.0/22, family /families/rustock"},
		{"192.0.2.1", "an address: 192.0.2.1", "address /prefixes/192.0.2.1"},
		{"2001:db8::/32", "a prefix: 2001:db8::/32", "prefix /prefixes/2001:db8::/32"},
		{"Costrat", "words", "family /families/Rustock"},
		{"ozdok", "words", "family /families/Mega-D"},
		{"new thing", "words", "family /families/some%20new%20thing"},
		{"successor", "words", "as /asns/64999"},
		{"i1", "words", "incident /incidents/i1"},
		{"quite unknown", "words", ""}, {"", "nothing", ""}, {"%%%", "words", ""}, {"AS99999999999", "words", ""}, {"1.2.3.4/33", "words", ""},
	} {
		got, said := search(t, c, x.q)
		if said != x.want || got.Understood != x.understood || (got.Hint != "") != (x.want == "") {
			t.Errorf("%q: understood %q, %s (hint %q)\nwant %q, %s", x.q, got.Understood, said, got.Hint, x.understood, x.want)
		}
	}
	for q, text := range map[string]string{
		"208.66.195.15": "lies in 208.66.195.0/24, of McColo Corp.", "192.0.2.1": "lies in nothing that is watched", "208.66.192.0/22": "on the watchlist, of McColo Corp.",
		"mccolo": "AS26780; partly; AS6939 dropped McColo Corp.; AS3549 carries it on", "6939": "HURRICANE; is or was upstream of McColo Corp.",
		"AS64999": "EXAMPLE-SUCCESSOR; took in Rustock from McColo Corp.", "costrat": "seen at McColo Corp."} {
		if got, _ := search(t, c, q); !strings.Contains(got.Results[0].Detail, text) {
			t.Errorf("%q: %q does not say %q", q, got.Results[0].Detail, text)
		}
	}
	got, _ := search(t, c, "208.66.195.15")
	if last := got.Results[len(got.Results)-1].Detail; last != "C&C seen at 208.66.195.15, last on 2008-11-11 by tracker" {
		t.Error(last)
	}
}

// Many that fit: the best come first, and how many are left out is said.
func TestSearchIsShort(t *testing.T) {
	w := newWorld(t)
	w.status.Hosters = nil
	for i := range 60 {
		w.status.Hosters = append(w.status.Hosters, watch.Standing{Hoster: fmt.Sprintf("h%02d", i), Name: fmt.Sprintf("The Host %d", i), State: "visible"})
	}
	w.status.Hosters = append(w.status.Hosters, watch.Standing{Hoster: "z", Name: "Host", State: "dark"}, watch.Standing{Hoster: "y", Name: "Hostile", State: "dark"})
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	got, said := search(t, c, "host")
	if len(got.Results) != 20 || got.More < 42 || !strings.HasPrefix(said, "hoster /hosters/z, hoster /hosters/y, hoster /hosters/h00, ") {
		t.Errorf("%d, %d more: %s", len(got.Results), got.More, said)
	}
}

// Where a part is missing, the others answer; where one fails, that is said.
func TestSearchWithLess(t *testing.T) {
	w := newWorld(t)
	deps := w.deps()
	c := newCaller(t, start(t, web.Config{}, web.Deps{Monitor: w, Metrics: deps.Metrics, Logger: deps.Logger}))
	for q, want := range map[string]string{"mccolo": "hoster /hosters/mccolo", "rustock": "family /families/Rustock", "208.66.195.15": "address /prefixes/208.66.195.15", "6939": "upstream /upstreams/6939, as /asns/6939", "i1": "incident /incidents/i1"} {
		if _, said := search(t, c, q); said != want {
			t.Errorf("%q: %s, want %s", q, said, want)
		}
	}
	deps.Space = func(context.Context, netip.Prefix) ([]web.Space, error) {
		return nil, fmt.Errorf("the timeline is not there yet: %w", web.ErrLater)
	}
	c = newCaller(t, start(t, web.Config{}, deps))
	if a := c.get("/api/v1/search?q=192.0.2.1"); a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "not there yet") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestFamilies(t *testing.T) {
	w := newWorld(t)
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	for query, want := range map[string]string{"": "Mega-D,Rustock,some new thing", "?hoster=mccolo": "Mega-D,Rustock", "?hoster=none": "", "?family=ozdok": "Mega-D", "?family=rustock,mega-d&hoster=mccolo": "Mega-D,Rustock", "?family=nobody": "", "?limit=1": "Mega-D"} {
		a := c.get("/api/v1/families" + query)
		var list []cnc.Housed
		if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.status != http.StatusOK || list == nil {
			t.Fatalf("%s: %d %s", query, a.status, a.body)
		}
		var names []string
		for _, x := range list {
			names = append(names, x.Family)
		}
		if got := strings.Join(names, ","); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
		if query == "?limit=1" && !strings.Contains(a.header.Get("Link"), `rel="next"`) {
			t.Error("no link to the next page")
		}
	}
	for _, name := range []string{"rustock", "Costrat", "COSTRAT"} {
		a := c.get("/api/v1/families/" + name)
		var f web.Family
		if err := json.Unmarshal([]byte(a.body), &f); err != nil || a.status != http.StatusOK {
			t.Fatalf("%s: %d %s", name, a.status, a.body)
		}
		if f.Family != "Rustock" || !slices.Contains(f.Aliases, "Costrat") || len(f.Places) != 500 || f.More != 3 || len(f.Housed) != 1 || !f.Since.Equal(at(5)) || !f.Last.Equal(at(600)) {
			t.Errorf("%s: %s %v, %d places and %d more, housed %v, %s to %s", name, f.Family, f.Aliases, len(f.Places), f.More, f.Housed, f.Since, f.Last)
		}
	}
	w.fixed.status.Hosters = nil
	deps := w.deps()
	deps.Families = broken{}
	c = newCaller(t, start(t, web.Config{}, deps))
	if a := c.get("/api/v1/families"); a.status != http.StatusInternalServerError {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// broken knows names and nothing else.
type broken struct{ families }

func (broken) Housed(context.Context) ([]cnc.Housed, error) { return nil, errors.New("broken") }

// A family may be asked for by any of its names: records are kept under one.
func TestRecordsByAliasOfAFamily(t *testing.T) {
	w := newWorld(t)
	m := migration()
	m.ID, m.Family = "m2", "Mega-D"
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.memory.Write(context.Background(), &timeline.Batch{Recorded: at(61), Cursors: map[string]uint64{"routes": 2},
		Records: []timeline.Record{{Kind: timeline.Migration, ID: "m2", Revision: 1, At: m.At, Hoster: "mccolo", Word: "Mega-D", Body: body}}}); err != nil {
		t.Fatal(err)
	}
	c := newCaller(t, start(t, web.Config{}, w.deps()))
	for query, want := range map[string]string{"ozdok": "m2", "mega-d": "m2", "Mega-D": "m2", "costrat": "", "rustock": "m1", "ozdok,rustock": "m2 m1"} {
		a := c.get("/api/v1/migrations?family=" + query)
		var list web.List[cnc.Migration]
		if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.status != http.StatusOK {
			t.Fatalf("%s: %d %s", query, a.status, a.body)
		}
		var ids []string
		for _, x := range list.Items {
			ids = append(ids, x.ID)
		}
		slices.Sort(ids)
		slices.Reverse(ids)
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}
