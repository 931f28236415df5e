package roster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"depeer/bgp/fetch"
	"depeer/watch"
)

func newList(t *testing.T, cfg Config, cache string) *List {
	t.Helper()
	c := fetch.DefaultConfig()
	c.Dir, c.Pause, c.Tries = cache, time.Millisecond, 2
	f, err := fetch.New(c, fetch.Deps{Transport: &http.Transport{DisableKeepAlives: true}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := New(cfg, Deps{Fetch: f})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func asnDropOf(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"asn\":%d,\"asname\":\"X%d\"}\n", 64500+i, i)
	}
	fmt.Fprintf(&b, "{\"type\":\"metadata\",\"records\":%d}\n", n)
	return b.String()
}

// A list that lies never replaces the last good one, in memory or on disk, and a
// restart without a network has that.
func TestLastGoodStays(t *testing.T) {
	for _, from := range []string{"http", "path"} {
		t.Run(from, func(t *testing.T) {
			var body atomic.Value
			file := filepath.Join(t.TempDir(), "list")
			set := func(text string) {
				body.Store(text)
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			set(asnDropOf(100))
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				text := body.Load().(string)
				if text == "down" {
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(text)))
				http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
			}))
			defer s.Close()
			cfg := config("spamhaus-asndrop", ASNDrop)
			cfg.URL = s.URL + "/asndrop.json"
			if from == "path" {
				cfg.URL, cfg.Path = "", file
			}
			cache := t.TempDir()
			l := newList(t, cfg, cache)
			if l.Load() {
				t.Fatal("a copy that nobody fetched")
			}
			if changed, err := l.Refresh(context.Background()); err != nil || !changed || len(l.Hosters()) != 100 {
				t.Fatalf("changed %t, %v, %d hosters", changed, err, len(l.Hosters()))
			}
			if changed, err := l.Refresh(context.Background()); err != nil || changed {
				t.Fatalf("the same again: changed %t, %v", changed, err)
			}
			for text, want := range map[string]string{
				"":                    "is empty",
				"<html>sorry</html>":  "is a web page",
				asnDropOf(100)[:1000]: "is cut",
				asnDropOf(49):         "has 49 AS numbers and prefixes, the last good one 100: less than min_keep (0.5)",
			} {
				set(text)
				changed, err := l.Refresh(context.Background())
				if _, ok := errors.AsType[*Doubt](err); !ok || changed || !strings.Contains(err.Error(), want) {
					t.Errorf("%.20q: changed %t, %v", text, changed, err)
				}
				if n := len(l.Hosters()); n != 100 {
					t.Errorf("%.20q: %d hosters in force", text, n)
				}
				again := newList(t, cfg, cache) // a restart
				if !again.Load() || len(again.Hosters()) != 100 {
					t.Errorf("%.20q: after a restart %d hosters", text, len(again.Hosters()))
				}
				if _, err := newList(t, cfg, cache).Refresh(context.Background()); err == nil {
					t.Errorf("%.20q: believed after a restart", text)
				}
			}
			if s := l.Status(); s.Failed != 4 || s.Err == nil || s.Hosters != 100 {
				t.Errorf("status %+v", s)
			}
			if from == "http" {
				set("down")
				again := newList(t, cfg, cache)
				changed, err := again.Refresh(context.Background())
				if err == nil || !changed || len(again.Hosters()) != 100 {
					t.Errorf("without a network: changed %t, %v, %d hosters", changed, err, len(again.Hosters()))
				}
			}
			set(asnDropOf(50))
			if changed, err := l.Refresh(context.Background()); err != nil || !changed || len(l.Hosters()) != 50 || l.Status().Failed != 0 {
				t.Errorf("half of it: changed %t, %v, %d hosters", changed, err, len(l.Hosters()))
			}
		})
	}
}

func TestMerge(t *testing.T) {
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	net := netip.MustParsePrefix("208.66.192.0/22")
	configured := []watch.Hoster{
		{ID: "mccolo", ASNs: []uint32{26780}, Prefixes: []netip.Prefix{net}, Tags: []string{"mine"}},
		{ID: "old", ASNs: []uint32{64510}, Valid: watch.Validity{To: year(2010)}},
		{ID: "spamhaus-as64501", ASNs: []uint32{64999}},
	}
	drop := []watch.Hoster{
		{ID: "spamhaus-as26780", ASNs: []uint32{26780}, Tags: []string{"drop"}},
		{ID: "spamhaus-as64500", ASNs: []uint32{64500}, Tags: []string{"drop"}},
		{ID: "spamhaus-as64501", ASNs: []uint32{64501}, Tags: []string{"drop"}},
		{ID: "later", ASNs: []uint32{64510}, Valid: watch.Validity{From: year(2015)}, Tags: []string{"drop"}},
		{ID: "net", Prefixes: []netip.Prefix{net}, Tags: []string{"drop"}},
	}
	other := []watch.Hoster{
		{ID: "bph-1", Name: "Joined", ASNs: []uint32{64500, 64502, 26780}, Tags: []string{"bph"}},
		{ID: "bph-2", ASNs: []uint32{64503}, Tags: []string{"bph"}},
	}
	before := fmt.Sprint(configured, drop, other)
	got, conflicts := Merge(configured, drop, other)
	want := append(configured[:len(configured):len(configured)],
		watch.Hoster{ID: "spamhaus-as64500", Name: "Joined", ASNs: []uint32{64500, 64502}, Tags: []string{"drop", "bph"}},
		watch.Hoster{ID: "spamhaus-as64501-2", ASNs: []uint32{64501}, Tags: []string{"drop"}},
		drop[3], other[1])
	for i := range got { // an empty list is none
		if len(got[i].Prefixes) == 0 {
			got[i].Prefixes = nil
		}
	}
	if d := cmp.Diff(want, got, cmp.Comparer(comparePrefix)); d != "" {
		t.Error("want (-), got (+):\n" + d)
	}
	var told []string
	for _, c := range conflicts {
		told = append(told, c.String())
	}
	if d := cmp.Diff([]string{
		"AS26780: is mccolo's by configuration, not spamhaus-as26780's",
		"208.66.192.0/22: is mccolo's by configuration, not net's",
		"AS64500: bph-1 is joined with spamhaus-as64500",
		"AS26780: is mccolo's by configuration, not bph-1's",
	}, told); d != "" {
		t.Error("conflicts, want (-), got (+):\n" + d)
	}
	if err := (&watch.Watchlist{Hosters: got}).Validate(); err != nil {
		t.Error(err)
	}
	if fmt.Sprint(configured, drop, other) != before {
		t.Error("what was given was changed")
	}
}
