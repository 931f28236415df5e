package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"depeer/watch"
	"depeer/watch/cnc"
	"depeer/watch/timeline"
	"depeer/web/export"
)

// Records gives what was concluded and reported: every timeline.Reader does.
type Records interface {
	Records(ctx context.Context, q timeline.RecordQuery) ([]timeline.Record, string, error)
}

// List is a part of a list.
type List[T any] struct {
	Items []T         `json:"items"`
	Next  string      `json:"next,omitempty"` // cursor of the next part; missing on the last one
	Gaps  []watch.Gap `json:"gaps"`           // that touch the period asked about, the newest hundred: what happened there is not known
}

const (
	defaultPage = 100
	mostGaps    = 100
	mostScanned = 20_000 // records that are looked at for one page: a filter that hardly anything passes gets its page in parts
)

// Filter is what a list of records can be asked for.
type Filter struct {
	Period
	Believing
	Page
	Hoster   []string `query:"hoster" doc:"ids of hosters" example:"mccolo"`
	Upstream string   `query:"upstream" doc:"AS number of the upstream"`
	ASN      string   `query:"asn" doc:"AS number of the hoster, or of the other: a new origin, where a family went"`
	Prefix   string   `query:"prefix" doc:"equal to, covering or covered by it"`
	Incident string   `query:"incident" doc:"id"`
	Severity string   `query:"severity" enum:"info,warning,critical" doc:"at least"`
	Order    string   `query:"order" enum:"newest,oldest" doc:"which come first; newest where it is missing"`
	Format   string   `query:"format" enum:"json,ndjson,csv,stix,misp" doc:"other than json: everything from the cursor on, as a file"`

	lasting bool // only what has no end
}

func (f *Filter) query(kind timeline.RecordKind) (q timeline.RecordQuery, err error) {
	q = timeline.RecordQuery{Kinds: []timeline.RecordKind{kind}, Hosters: f.Hoster, Incident: f.Incident, Newest: f.Order != "oldest", Lasting: f.lasting}
	if q.From, q.To, err = f.span(); err != nil {
		return
	}
	if q.Believed, err = parseTime("believed", f.Believed, true); err != nil {
		return
	}
	if q.Upstream, err = optionalASN("upstream", f.Upstream); err != nil {
		return
	}
	if q.ASN, err = optionalASN("asn", f.ASN); err != nil {
		return
	}
	if q.Prefix, err = optionalPrefix("prefix", f.Prefix); err != nil {
		return
	}
	q.After, err = f.at(string(kind))
	return
}

// severe reports whether a severity is at least the one asked for.
func (f *Filter) severe(s watch.Severity) bool {
	order := []watch.Severity{"", watch.Info, watch.Warning, watch.Critical}
	return slices.Index(order, s) >= slices.Index(order, watch.Severity(f.Severity))
}

func (s *Server) addRecords() {
	addList(s, "/events", "events", "Judged facts", timeline.Event, func(in *struct {
		Filter
		Address
		Kind []string `query:"kind" doc:"kinds of events" example:"upstream.lost"`
	}) (*Filter, *Address, []string, func(*watch.Event) bool) {
		return &in.Filter, &in.Address, in.Kind, func(e *watch.Event) bool { return in.severe(e.Severity) }
	})
	addList(s, "/incidents", "incidents", "Incidents, each in its latest revision", timeline.Incident, func(in *struct {
		Filter
		Address
		Class []string `query:"class" doc:"classes of incidents" example:"depeered"`
		Phase []string `query:"phase" doc:"phases" example:"open"`
	}) (*Filter, *Address, []string, func(*watch.Incident) bool) {
		in.lasting = len(in.Phase) > 0 && !slices.Contains(in.Phase, string(watch.Resolved))
		return &in.Filter, &in.Address, in.Class, func(i *watch.Incident) bool {
			return in.severe(i.Severity) && (len(in.Phase) == 0 || slices.Contains(in.Phase, string(i.Phase)))
		}
	})
	addList(s, "/migrations", "migrations", "C&C families that were seen leaving a hoster for another network", timeline.Migration, func(in *struct {
		Filter
		Address
		Family []string `query:"family" doc:"families" example:"rustock"`
		Score  float64  `query:"score" minimum:"0" doc:"at least"`
	}) (*Filter, *Address, []string, func(*cnc.Migration) bool) {
		return &in.Filter, &in.Address, s.familyNames(in.Family), func(m *cnc.Migration) bool { return in.severe(watch.Severity(m.Severity)) && m.Score >= in.Score }
	})
	addList(s, "/sightings", "sightings", "Observations of C&C servers", timeline.Sighting, func(in *struct {
		Filter
		Address
		Family []string `query:"family" doc:"families" example:"rustock"`
		Source []string `query:"source" doc:"who saw it"`
	}) (*Filter, *Address, []string, func(*cnc.Sighting) bool) {
		return &in.Filter, &in.Address, s.familyNames(in.Family), func(x *cnc.Sighting) bool { return len(in.Source) == 0 || slices.Contains(in.Source, x.Source) }
	})
	register(s, reading("/incidents/{id}", "incident", tagHistory, "The story of an incident, in order", ""), s.incident)
	s.addEvidence()
	register(s, reading("/hosters/{id}/dossier", "dossier", tagHistory, "What is known of a hoster's C&C, and what became of it", ""), func(ctx context.Context, in *HosterPath) (*body[cnc.Dossier], error) {
		if s.deps.Dossier == nil {
			return nil, absent("no sightings are configured: nothing is known of C&C servers (configuration: sightings, timeline)")
		}
		x, err := s.deps.Dossier(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &body[cnc.Dossier]{*x}, nil
	})
}

// addList adds a list of records: as pages, or whole in one of the formats of package
// export. read takes the input apart: the filter, the address, the words and what else has to hold.
func addList[T export.Item, I any](s *Server, path, id, summary string, kind timeline.RecordKind, read func(*I) (*Filter, *Address, []string, func(*T) bool)) {
	o := reading(path, id, tagHistory, summary, "With `format`, the list as a file. Lists of words are separated by commas.")
	text := &huma.Schema{Type: huma.TypeString}
	o.others = map[string]*huma.Schema{"text/csv": text, "application/x-ndjson": text, "application/stix+json": {Type: huma.TypeObject, AdditionalProperties: true}}
	streamed(s, o, List[T]{}, func(ctx context.Context, in *I) (func(http.ResponseWriter, *http.Request), error) {
		filter, from, words, keep := read(in)
		q, err := filter.query(kind)
		if err != nil {
			return nil, err
		}
		if s.deps.Records == nil {
			return nil, absent(noTimeline)
		}
		q.Words, q.Latest = words, kind == timeline.Incident || kind == timeline.Migration
		find := func(ctx context.Context, q timeline.RecordQuery, limit int) ([]T, string, error) {
			return findRecords(ctx, s.deps.Records, q, limit, keep)
		}
		if f := export.Format(filter.Format); filter.Format != "" && f != export.JSON {
			return exported(ctx, q, filter.Limit, f, id, find)
		}
		items, next, err := find(ctx, q, cmp.Or(filter.Limit, defaultPage))
		if err != nil {
			return nil, err
		}
		out := List[T]{Items: items, Next: cursorOf(string(kind), next), Gaps: s.gapsTouching(q.From, q.To)}
		return func(w http.ResponseWriter, _ *http.Request) {
			if l := link(&from.url, out.Next); l != "" {
				w.Header().Set("Link", l)
			}
			w.Header().Set("Content-Type", "application/json")
			_ = writeJSON(w, out) // the client went
		}, nil
	})
}

func (s *Server) gapsTouching(from, to time.Time) []watch.Gap {
	gaps := s.deps.Monitor.Gaps(from, to)
	return gaps[:min(len(gaps), mostGaps)]
}

// findRecords reads records until so many pass, and gives the cursor behind the last one.
func findRecords[T any](ctx context.Context, r Records, q timeline.RecordQuery, limit int, keep func(*T) bool) ([]T, string, error) {
	out := []T{}
	for scanned := 0; ; {
		q.Limit = limit - len(out)
		list, next, err := r.Records(ctx, q)
		if err != nil {
			return nil, "", err
		}
		for i := range list {
			var x T
			if err := json.Unmarshal(list[i].Body, &x); err != nil {
				return nil, "", fmt.Errorf("%s %s as it is stored cannot be read: %w", list[i].Kind, list[i].ID, err)
			}
			if keep(&x) {
				out = append(out, x)
			}
		}
		scanned += len(list)
		if next == "" || len(out) >= limit || scanned >= mostScanned {
			return out, next, nil
		}
		q.After = next
	}
}

const exportPage = 1000

// exported writes everything that there is, a part at a time.
func exported[T export.Item](ctx context.Context, q timeline.RecordQuery, limit int, f export.Format, name string,
	find func(context.Context, timeline.RecordQuery, int) ([]T, string, error)) (func(http.ResponseWriter, *http.Request), error) {
	if limit == 0 {
		limit = 1 << 40
	}
	// The first part before anything is written: what fails at once is told as a problem.
	items, next, err := find(ctx, q, min(limit, exportPage))
	if err != nil {
		return nil, err
	}
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", f.MediaType())
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=\"depeer-%s.%s\"", name, f.Extension()))
		out, err := export.New[T](w, f)
		control := http.NewResponseController(w)
		for done := 0; err == nil; {
			_ = control.SetWriteDeadline(time.Now().Add(time.Minute)) // for this part
			for i := range items {
				if err = out.Write(&items[i]); err != nil {
					break
				}
			}
			done += len(items)
			if err != nil || next == "" || done >= limit {
				break
			}
			q.After = next
			items, next, err = find(r.Context(), q, min(limit-done, exportPage))
		}
		if err == nil {
			err = out.Close()
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the file must not look whole
		}
	}, nil
}

// Story is an incident with everything that belongs to it.
type Story struct {
	Incident   watch.Incident   `json:"incident"`  // the latest revision
	Revisions  []watch.Incident `json:"revisions"` // oldest first
	Events     []watch.Event    `json:"events"`    // oldest first
	Migrations []cnc.Migration  `json:"migrations"`
	Notes      []Note           `json:"notes"`          // who acknowledged and commented
	Deliveries []Told           `json:"deliveries"`     // who was told, and why not, oldest first
	Silences   []Silence        `json:"silences"`       // in force now, that keep it from being told
	Next       string           `json:"next,omitempty"` // what to do next, in a sentence; messages say the same
	Gaps       []watch.Gap      `json:"gaps"`           // that touch it: what happened there is not known
	Missing    []string         `json:"missing"`        // what could not be said, in sentences
}

const mostOfStory = 1000 // of each kind of record

func (s *Server) incident(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"100" doc:"of the incident"`
}) (*body[Story], error) {
	if s.deps.Records == nil {
		return nil, absent(noTimeline)
	}
	out := Story{Migrations: []cnc.Migration{}, Notes: []Note{}, Deliveries: []Told{}, Silences: []Silence{}, Missing: []string{}}
	var err error
	out.Revisions, _, err = findRecords(ctx, s.deps.Records, timeline.RecordQuery{Kinds: []timeline.RecordKind{timeline.Incident}, IDs: []string{in.ID}}, mostOfStory, all[watch.Incident])
	if err != nil {
		return nil, err
	}
	if len(out.Revisions) == 0 {
		return nil, missing("no incident has the id %s", in.ID)
	}
	slices.SortStableFunc(out.Revisions, func(a, b watch.Incident) int { return cmp.Compare(a.Revision, b.Revision) })
	out.Incident = out.Revisions[len(out.Revisions)-1]
	of := func(kind timeline.RecordKind) timeline.RecordQuery {
		return timeline.RecordQuery{Kinds: []timeline.RecordKind{kind}, Incident: in.ID, Latest: true}
	}
	if out.Events, _, err = findRecords(ctx, s.deps.Records, of(timeline.Event), mostOfStory, all[watch.Event]); err != nil {
		return nil, err
	}
	if out.Migrations, _, err = findRecords(ctx, s.deps.Records, of(timeline.Migration), mostOfStory, all[cnc.Migration]); err != nil {
		return nil, err
	}
	if out.Deliveries, _, err = findRecords(ctx, s.deps.Records, of(timeline.Delivery), mostOfStory, all[Told]); err != nil {
		return nil, err
	}
	if s.deps.Desk == nil {
		out.Missing = append(out.Missing, noDesk)
	} else if out.Notes, err = s.deps.Desk.Notes(ctx, in.ID); err != nil {
		return nil, err
	}
	if out.Notes == nil {
		out.Notes = []Note{}
	}
	if s.deps.Silenced != nil {
		if out.Silences, err = s.deps.Silenced(ctx, out.Incident, out.Events); err != nil {
			return nil, err
		}
	}
	if out.Silences == nil {
		out.Silences = []Silence{}
	}
	if s.deps.Next != nil {
		out.Next = s.deps.Next(out.Incident)
	}
	to := time.Time{}
	if out.Incident.Resolved != nil {
		to = *out.Incident.Resolved
	}
	out.Gaps = s.gapsTouching(out.Incident.Opened, to)
	if n := len(out.Events); n < len(out.Incident.Events) {
		out.Missing = append(out.Missing, fmt.Sprintf("%d of its %d events are not in the timeline", len(out.Incident.Events)-n, len(out.Incident.Events)))
	}
	return &body[Story]{out}, nil
}

func all[T any](*T) bool { return true }

// words joins a list for a sentence.
func words[T ~string](list []T) string {
	var out []string
	for _, w := range list {
		out = append(out, string(w))
	}
	return strings.Join(out, ", ")
}
