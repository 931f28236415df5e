package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// Stream is the name of a stream.
type Stream string

// The streams of CONTRACT section 4.
const (
	Routes     Stream = "DEPEER_ROUTES"
	Events     Stream = "DEPEER_EVENTS"
	Incidents  Stream = "DEPEER_INCIDENTS"
	Sightings  Stream = "DEPEER_SIGHTINGS"
	Gaps       Stream = "DEPEER_GAPS"
	Deliveries Stream = "DEPEER_DELIVERIES"
)

type stream struct {
	name     Stream
	key      string // under bus.streams
	subjects []string
	about    string
	limits   Limits
}

func (s Streams) all() []stream {
	return []stream{
		{Routes, "routes", []string{"depeer.route.*.*"}, "changes of watched routes", s.Routes},
		{Events, "events", []string{"depeer.event.*.*", "depeer.feed.*.*"}, "judged facts, and the state of our own eyes", s.Events},
		{Incidents, "incidents", []string{"depeer.incident.*"}, "each revision of an incident", s.Incidents},
		{Gaps, "gaps", []string{"depeer.gap.*"}, "holes in what was seen, each revision", s.Gaps},
		{Sightings, "sightings", []string{"depeer.sighting.*"}, "observations of command-and-control servers", s.Sightings},
		{Deliveries, "deliveries", []string{"depeer.delivery.*"}, "who was told what, when, and why not", s.Deliveries},
	}
}

// want puts what the configuration says into cfg, which is empty or what the
// server has, and leaves alone what it does not say: an operator may have given
// the stream mirrors, placement or more replicas.
func (s stream) want(cfg jetstream.StreamConfig, replicas int) jetstream.StreamConfig {
	cfg.Name = string(s.name)
	cfg.Description = s.about
	cfg.Subjects = s.subjects
	cfg.MaxAge = s.limits.MaxAge
	cfg.MaxBytes = int64(s.limits.MaxBytes)
	cfg.Duplicates = s.limits.Duplicates
	cfg.Discard = jetstream.DiscardOld
	if s.limits.Discard == DiscardNew {
		cfg.Discard = jetstream.DiscardNew
	}
	if replicas > 0 {
		cfg.Replicas = replicas
	}
	return cfg
}

// prepare creates the streams that are missing and changes those that differ.
func prepare(ctx context.Context, js jetstream.JetStream, cfg Config) error {
	for _, s := range cfg.Streams.all() {
		if err := s.prepare(ctx, js, cfg.Replicas); err != nil {
			return fmt.Errorf("stream %s: %w", s.name, err)
		}
	}
	return nil
}

func (s stream) prepare(ctx context.Context, js jetstream.JetStream, replicas int) error {
	have, err := js.Stream(ctx, string(s.name))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = js.CreateStream(ctx, s.want(jetstream.StreamConfig{Storage: jetstream.FileStorage, Replicas: 1}, replicas))
		if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return err
		}
		// Another depeer created it since we looked.
		have, err = js.Stream(ctx, string(s.name))
	}
	if err != nil {
		return err
	}
	was := have.CachedInfo().Config
	now := s.want(was, replicas)
	if same(was, now) {
		return nil
	}
	_, err = js.UpdateStream(ctx, now)
	return err
}

func same(a, b jetstream.StreamConfig) bool {
	return a.Description == b.Description && slices.Equal(a.Subjects, b.Subjects) && a.MaxAge == b.MaxAge &&
		a.MaxBytes == b.MaxBytes && a.Duplicates == b.Duplicates && a.Discard == b.Discard && a.Replicas == b.Replicas
}
