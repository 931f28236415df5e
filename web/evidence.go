package web

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"depeer/watch"
	"depeer/watch/timeline"
	"depeer/web/export"
)

// addEvidence adds the BGP messages behind an incident.
func (s *Server) addEvidence() {
	o := reading("/incidents/{id}/evidence", "evidence", tagHistory, "The BGP messages behind an incident", "Of each event, oldest first, the messages that it keeps: at most ten. What every peer said is in /hosters/{id}/difference.")
	text := &huma.Schema{Type: huma.TypeString}
	o.others = map[string]*huma.Schema{"text/csv": text, "application/x-ndjson": text}
	streamed(s, o, []export.Message{}, func(ctx context.Context, in *struct {
		ID     string `path:"id" maxLength:"100" doc:"of the incident"`
		Format string `query:"format" enum:"json,ndjson,csv" doc:"json where it is missing"`
	}) (func(http.ResponseWriter, *http.Request), error) {
		list, err := s.evidence(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		f := export.Format(in.Format)
		if f == "" {
			f = export.JSON
		}
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", f.MediaType())
			if in.Format != "" {
				w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=\"depeer-evidence.%s\"", f.Extension()))
			}
			out, err := export.New[export.Message](w, f)
			for i := 0; err == nil && i < len(list); i++ {
				err = out.Write(&list[i])
			}
			if err == nil {
				err = out.Close()
			}
			if err != nil {
				panic(http.ErrAbortHandler) // the file must not look whole
			}
		}, nil
	})
}

// evidence reads the messages of the events of an incident.
func (s *Server) evidence(ctx context.Context, incident string) ([]export.Message, error) {
	if s.deps.Records == nil {
		return nil, absent(noTimeline)
	}
	q := timeline.RecordQuery{Kinds: []timeline.RecordKind{timeline.Incident}, IDs: []string{incident}, Latest: true}
	known, _, err := findRecords(ctx, s.deps.Records, q, 1, all[watch.Incident])
	if err != nil {
		return nil, err
	}
	if len(known) == 0 {
		return nil, missing("no incident has the id %s", incident)
	}
	events, _, err := findRecords(ctx, s.deps.Records, timeline.RecordQuery{Kinds: []timeline.RecordKind{timeline.Event}, Incident: incident}, mostOfStory, all[watch.Event])
	if err != nil {
		return nil, err
	}
	var out []export.Message
	for _, e := range events {
		for _, m := range e.Evidence {
			out = append(out, export.Message{Event: e.ID, Kind: e.Kind, Evidence: m})
		}
	}
	return out, nil
}
