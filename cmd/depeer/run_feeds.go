package main

import (
	"context"
	"time"

	"depeer/bgp"
	"depeer/bgp/bmp"
	"depeer/bgp/rislive"
	"depeer/bgp/speaker"
	"depeer/bgp/wire"
)

// How long after its time an update may still be on its way to the log. The judgement
// waits for that: what comes later is judged, but as of the moment in which it came.
const (
	speakerSlack = 20 * time.Millisecond // stamped here, when it is read
	bmpSlack     = time.Second           // stamped by the router
	rislSlack    = 5 * time.Second       // stamped by the collector, and on its way through RIS
)

// feedOf readies a source; it begins when the collector runs it.
func (m *monitor) feedOf(s *SourceConfig, shared *wire.Shared) *liveFeed {
	f := &liveFeed{name: *s.name(), kind: s.Type}
	log := m.log.With("feed", f.name)
	switch s.Type {
	case "speaker":
		f.ends, f.slack = bgp.PeerDown.String(), speakerSlack
		f.make = func() (bgp.Feed, error) { return speaker.New(s.Speaker, speaker.Deps{Watch: shared, Logger: log}) }
	case "rislive":
		f.ends, f.slack = bgp.Unheard.String(), rislSlack
		f.make = func() (bgp.Feed, error) { return rislive.New(s.RISLive, rislive.Deps{Watch: shared, Logger: log}) }
	case "bmp":
		f.ends, f.slack = bgp.Unheard.String(), bmpSlack
		f.make = func() (bgp.Feed, error) { return bmp.New(s.BMP, bmp.Deps{Watch: shared, Logger: log}) }
	case "mrt":
		if s.isArchive() {
			m.archiveFeed(f, s, shared)
		} else {
			m.recordingFeed(f, s, shared)
		}
	}
	return f
}

// drain waits until all that is in the log has been judged.
func (j *judge) drain(ctx context.Context) error {
	if err := j.bus.Flush(ctx); err != nil {
		return err
	}
	where, err := j.bus.Position(ctx, "DEPEER_ROUTES")
	if err != nil {
		return err
	}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		j.mu.Lock()
		at := j.sequence
		j.mu.Unlock()
		if at >= where.Last {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
