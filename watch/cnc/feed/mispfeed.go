package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"depeer/bgp/fetch"
	"depeer/watch/cnc"
)

// mispBatch is how many events one look reads; the rest follow with the next ones.
const mispBatch = 200

var uuidText = regexp.MustCompile(`^[0-9a-fA-F-]{36}$`)

// refreshMISP is Refresh of a MISP feed: manifest.json names the events that lie beside it, UUID.json, with the
// time of their last change. Those that are new or changed are one download.
func (f *Feed) refreshMISP(ctx context.Context, now time.Time, emit func(cnc.Sighting) error) (r Report, err error) {
	base := strings.TrimSuffix(f.url, "manifest.json")
	if !strings.HasSuffix(base, "/") {
		base += "/"
	}
	manifest, err := f.manifest(ctx, base+"manifest.json")
	if err != nil {
		return r, err
	}
	var wanted []string
	for uuid, stamp := range manifest {
		if f.state.Events[uuid] != stamp {
			wanted = append(wanted, uuid)
		}
	}
	slices.Sort(wanted)
	wanted = wanted[:min(len(wanted), mispBatch)]
	var paths []string
	for _, uuid := range wanted {
		file, err := f.deps.Fetch.Get(ctx, fetch.Request{URL: base + uuid + ".json"})
		if err != nil {
			return r, err
		}
		defer file.Close()
		paths = append(paths, file.Path)
	}
	if len(paths) == 0 {
		return r, nil
	}
	// An event without any host, as there are many, is read and done with.
	var useful []string
	for _, p := range paths {
		if _, stats := f.survey([]string{p}, now, now); stats.Entries > 0 {
			useful = append(useful, p)
		}
	}
	if len(useful) > 0 {
		profile, stats := f.survey(useful, now, now)
		r.Stats = stats
		r.Verdict = Inspect(profile, nil, f.cfg.Limits)
		if r.Verdict.Action != Believe {
			r.New = true
			return r, errors.Join(f.keepAside(useful), &Unbelieved{f.cfg.Name, r.Verdict})
		}
		if err := f.hand(ctx, &r, useful, now.UTC().Truncate(24*time.Hour), now, emit); err != nil {
			return r, err
		}
	}
	events := map[string]string{}
	for uuid, stamp := range f.state.Events {
		if _, ok := manifest[uuid]; ok {
			events[uuid] = stamp
		}
	}
	for _, uuid := range wanted {
		events[uuid] = manifest[uuid]
	}
	f.state.Events = events
	return r, f.saveState()
}

// manifest reads the list of events: their UUIDs and the times of their last changes.
func (f *Feed) manifest(ctx context.Context, address string) (map[string]string, error) {
	out := map[string]string{}
	read := func(path string) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var all map[string]struct {
			Timestamp json.RawMessage `json:"timestamp"`
		}
		if err := json.Unmarshal(text, &all); err != nil {
			return doubt("is no manifest of a MISP feed: %v", err)
		}
		clear(out)
		for uuid, e := range all {
			if !uuidText.MatchString(uuid) { // it becomes a part of an address
				return doubt("names an event %.40q", uuid)
			}
			out[uuid] = unquote(e.Timestamp)
		}
		if len(out) == 0 || len(out) > 200_000 {
			return doubt("names %d events", len(out))
		}
		return nil
	}
	file, err := f.deps.Fetch.Get(ctx, fetch.Request{URL: address, Keep: true, Accept: read})
	if err != nil {
		return nil, fmt.Errorf("feed %s: %w", f.cfg.Name, err)
	}
	defer file.Close()
	if len(out) == 0 {
		err = read(file.Path)
	}
	return out, err
}
