package export

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"depeer/watch"
	"depeer/watch/cnc"
)

// Format is how something is written.
type Format string

// The formats.
const (
	CSV    Format = "csv"
	JSON   Format = "json"
	NDJSON Format = "ndjson"
	STIX   Format = "stix"
	MISP   Format = "misp"
)

// Formats lists them.
func Formats() []Format { return []Format{CSV, JSON, NDJSON, STIX, MISP} }

// Known reports whether there is such a format.
func (f Format) Known() bool { return slices.Contains(Formats(), f) }

// MediaType is the type of the content.
func (f Format) MediaType() string {
	switch f {
	case CSV:
		return "text/csv; charset=utf-8; header=present"
	case NDJSON:
		return "application/x-ndjson"
	case STIX:
		return "application/stix+json;version=2.1"
	}
	return "application/json"
}

// Extension is how a file of it is called.
func (f Format) Extension() string {
	switch f {
	case STIX:
		return "stix.json"
	case MISP:
		return "misp.json"
	}
	return string(f)
}

// Item is what can be exported.
type Item interface {
	watch.Event | watch.Incident | cnc.Migration | cnc.Sighting | Message
}

// Message is a BGP message behind an event. STIX and MISP know no such thing.
type Message struct {
	Event string          `json:"event"` // id of the event
	Kind  watch.EventKind `json:"kind"`  // of the event
	watch.Evidence
}

// Writer writes a list.
type Writer[T Item] interface {
	Write(x *T) error
	Close() error // ends the list; the writer beneath stays open
}

// New begins a list.
func New[T Item](w io.Writer, f Format) (Writer[T], error) {
	var zero T
	if _, message := any(zero).(Message); message && (f == STIX || f == MISP) {
		return nil, fmt.Errorf("%s knows no BGP messages", f)
	}
	switch f {
	case CSV:
		return newCSV[T](w)
	case JSON:
		return newArray(w, "[", "]\n", func(x *T) ([]any, error) { return []any{x}, nil }), nil
	case NDJSON:
		return &lines[T]{json.NewEncoder(w)}, nil
	case STIX:
		return newSTIX[T](w), nil
	case MISP:
		return newArray(w, `{"response":[`, "]}\n", func(x *T) ([]any, error) { return mispOf(x), nil }), nil
	}
	return nil, fmt.Errorf("%q is none of %v", f, Formats())
}

// lines is NDJSON.
type lines[T Item] struct{ enc *json.Encoder }

func (l *lines[T]) Write(x *T) error { return l.enc.Encode(x) }
func (l *lines[T]) Close() error     { return nil }

// array is a JSON array, with something before and after it. Each item may become several objects.
type array[T Item] struct {
	w       io.Writer
	end     string
	before  string // what stands before the next object
	objects func(*T) ([]any, error)
}

func newArray[T Item](w io.Writer, begin, end string, objects func(*T) ([]any, error)) *array[T] {
	return &array[T]{w: w, before: begin + "\n", end: end, objects: objects}
}

func (a *array[T]) Write(x *T) error {
	objects, err := a.objects(x)
	if err != nil {
		return err
	}
	for _, o := range objects {
		body, err := json.Marshal(o)
		if err != nil {
			return err
		}
		if _, err := a.w.Write(append([]byte(a.before), body...)); err != nil {
			return err
		}
		a.before = ",\n"
	}
	return nil
}

func (a *array[T]) Close() error {
	begin := ""
	if a.before != ",\n" {
		begin = a.before // of an empty list
	}
	_, err := io.WriteString(a.w, begin+"\n"+a.end)
	return err
}
