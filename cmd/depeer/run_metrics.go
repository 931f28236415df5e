package main

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"depeer/watch"
)

// newMetrics makes the page of everything that moves.
func newMetrics(m *monitor) http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), metrics{m})
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}

// metrics reads the counts when it is asked: nothing is counted twice.
type metrics struct{ m *monitor }

// Describe says nothing: what there is depends on the feeds (an unchecked collector).
func (metrics) Describe(chan<- *prometheus.Desc) {}

// Collect gives every count, with the same words that logs and pages use.
func (x metrics) Collect(out chan<- prometheus.Metric) {
	add := func(kind prometheus.ValueType, name, help string, value float64, labels ...string) {
		names, values := make([]string, 0, 2), make([]string, 0, 2)
		for i := 0; i+1 < len(labels); i += 2 {
			names, values = append(names, labels[i]), append(values, labels[i+1])
		}
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc("depeer_"+name, help, names, nil), kind, value, values...)
	}
	count, gauge := prometheus.CounterValue, prometheus.GaugeValue
	b := x.m.bus.Stats()
	add(count, "bus_published_total", "messages handed to NATS", float64(b.Published))
	add(count, "bus_acknowledged_total", "messages that NATS acknowledged", float64(b.Acked))
	add(count, "bus_duplicates_total", "messages that the stream had already", float64(b.Duplicates))
	add(count, "bus_retried_total", "messages sent again", float64(b.Retried))
	add(count, "bus_failed_total", "messages given up", float64(b.Failed))
	add(gauge, "bus_pending", "messages on their way to NATS", float64(b.Pending))
	if x.m.collect.Load() != nil {
		x.feeds(add)
	}
	if x.m.judge != nil {
		x.judge(add)
	}
	if x.m.memory.Load() != nil {
		x.memory(add)
	}
	if x.m.seen != nil {
		x.sightings(add)
	}
	if x.m.moves != nil {
		x.migrations(add)
	}
	if x.m.herald != nil {
		x.notify(add)
	}
	x.web(add)
}

func (x metrics) notify(add addMetric) {
	n := x.m.herald.Notifier()
	add(prometheus.GaugeValue, "notify_leads", "1 where this process is the one that tells", one(n.Leads()))
	for name, c := range n.Stats() {
		add(prometheus.CounterValue, "notify_sent_total", "messages that the receiver took", float64(c.Sent), "receiver", name)
		add(prometheus.CounterValue, "notify_failed_total", "attempts that failed and are made again", float64(c.Failed), "receiver", name)
		add(prometheus.CounterValue, "notify_dead_total", "messages that were given up", float64(c.Dead), "receiver", name)
		add(prometheus.CounterValue, "notify_held_total", "how often something was not told for a reason", float64(c.Held), "receiver", name)
		add(prometheus.GaugeValue, "notify_waiting", "messages that wait for the receiver", float64(c.Waiting), "receiver", name)
		add(prometheus.GaugeValue, "notify_flying", "messages on their way to the receiver", float64(c.Flying), "receiver", name)
		add(prometheus.GaugeValue, "notify_paused", "1 while the receiver is left alone", one(c.Paused), "receiver", name)
	}
}

type addMetric func(kind prometheus.ValueType, name, help string, value float64, labels ...string)

func (x metrics) feeds(add addMetric) {
	now := time.Now()
	filler := x.m.collect.Load().filler
	add(prometheus.CounterValue, "source_updates_total", "watched updates written into the log", float64(filler.updates.Load()), "source", filler.name)
	for _, f := range x.m.collect.Load().feeds {
		h := f.health(now)
		add(prometheus.GaugeValue, "source_ready", "1 when the feed hears what it is meant to hear", one(h.Ready), "source", f.name)
		add(prometheus.GaugeValue, "source_lag_seconds", "age of its last message on arrival", h.Lag.Seconds(), "source", f.name)
		up := 0
		for _, s := range h.Sessions {
			up += int(one(s.Up))
		}
		add(prometheus.GaugeValue, "source_sessions", "connections that are heard", float64(up), "source", f.name, "state", "up")
		add(prometheus.GaugeValue, "source_sessions", "connections that are heard", float64(len(h.Sessions)-up), "source", f.name, "state", "down")
		add(prometheus.CounterValue, "source_updates_total", "watched updates written into the log", float64(f.updates.Load()), "source", f.name)
		add(prometheus.CounterValue, "source_restarts_total", "how often it ended with an error", float64(f.restart.Load()), "source", f.name)
		for _, c := range h.Counts {
			kind, name := prometheus.CounterValue, "feed_"+c.Name+"_total"
			if c.Gauge {
				kind, name = prometheus.GaugeValue, "feed_"+c.Name
			}
			// Every feed has its own words; the help of a name must be the same for all.
			add(kind, name, "of a feed: "+c.Name, c.Value, "source", f.name, "reason", c.Reason)
		}
	}
}

func (x metrics) judge(add addMetric) {
	j := x.m.judge
	var board []watch.Standing
	var peers []watch.PeerStanding
	var eyes []watch.Eyes
	var late uint64
	var judged time.Time
	open := 0
	j.ask(func(i *watch.Intake) {
		d := i.Detector()
		board, peers, eyes, late, judged, open = d.Board(), d.Peers(), i.Eyes(), i.Late(), i.Now(), len(d.Open())
	})
	j.mu.Lock()
	c := j.counts
	j.mu.Unlock()
	count, gauge := prometheus.CounterValue, prometheus.GaugeValue
	add(count, "log_messages_total", "messages of the log that were judged", float64(c.Messages))
	add(count, "log_updates_total", "updates in them", float64(c.Updates))
	add(count, "log_pulses_total", "pulses of feeds among them", float64(c.Pulses))
	add(count, "log_bad_total", "messages that could not be read", float64(c.Bad))
	add(count, "late_updates_total", "updates told after their second had been judged", float64(late))
	add(count, "events_total", "events published", float64(c.Events))
	add(count, "incident_revisions_total", "revisions of incidents published", float64(c.Incidents))
	add(count, "gap_revisions_total", "revisions of gaps published", float64(c.Gaps))
	add(count, "repeated_total", "findings after a restart that had been published before", float64(c.Repeated))
	add(count, "state_saves_total", "how often what is known was saved", float64(c.Saves))
	add(count, "state_save_errors_total", "how often that failed", float64(c.SaveErrors))
	add(gauge, "state_save_seconds", "how long the last saving took, during which nothing was judged", c.SaveSeconds)
	add(gauge, "state_save_bytes", "size of what was saved last", c.SaveBytes)
	if !judged.IsZero() {
		add(gauge, "judged_behind_seconds", "how far the judgement is behind the clock", time.Since(judged).Seconds())
	}
	add(gauge, "incidents_open", "incidents that are not resolved", float64(open))
	states := map[[2]string]int{}
	for _, p := range peers {
		states[[2]string{p.Collector, p.State}]++
	}
	for k, n := range states {
		add(gauge, "peers", "vantage points, by what is known of their tables", float64(n), "collector", k[0], "state", k[1])
	}
	for _, e := range eyes {
		add(gauge, "source_heard", "1 when the judgement counts on the feed", one(e.Ready), "source", e.Source)
	}
	for _, h := range board {
		add(gauge, "hoster_visibility", "part of the eligible (prefix, peer) pairs that have a route", h.Visibility, "hoster", h.Hoster)
		add(gauge, "hoster_withdrawn_prefixes", "prefixes that hardly anybody sees", float64(h.Withdrawn), "hoster", h.Hoster)
	}
}

func (x metrics) sightings(add addMetric) {
	s := x.m.seen
	count, gauge := prometheus.CounterValue, prometheus.GaugeValue
	s.mu.Lock()
	published, repeated, refused := s.counts.Published, s.counts.Repeated, maps.Clone(s.counts.Refused)
	s.mu.Unlock()
	add(count, "sightings_total", "sightings of C&C servers that were accepted and published", float64(published))
	add(count, "sightings_repeated_total", "sightings that had been published before", float64(repeated))
	for why, n := range refused {
		add(count, "sightings_refused_total", "sightings of sensors and people that were refused", float64(n), "reason", string(why))
	}
	for _, f := range s.feeds {
		st := f.Status()
		add(gauge, "sighting_feed_ok", "1 where the last look at the feed brought a download that was believed, or nothing new", one(st.Err == nil), "feed", st.Name)
		add(gauge, "sighting_feed_failed_looks", "looks in a row that failed", float64(st.Failed), "feed", st.Name)
		if !st.Good.IsZero() {
			add(gauge, "sighting_feed_good_timestamp_seconds", "when a download was last believed", float64(st.Good.Unix()), "feed", st.Name)
		}
	}
	b := s.book.Counts()
	add(gauge, "resolver_names", "names of C&C servers that are resolved on a schedule", float64(b.Names))
	add(count, "resolver_asked_total", "questions to the resolver", float64(b.Asked))
	add(count, "resolver_failed_total", "questions without an answer", float64(b.Failed))
	add(count, "resolver_overflow_total", "names that were not taken in, for there are too many", float64(b.Overflow))
	_, vrps, _, _ := s.vrps.Status()
	add(gauge, "vrps", "validated ROA payloads in force", float64(vrps))
}

func (x metrics) migrations(add addMetric) {
	m := x.m.moves
	m.mu.Lock()
	c := m.counts
	m.mu.Unlock()
	count := prometheus.CounterValue
	add(count, "migrations_read_total", "messages that the judgement of migrations read", float64(c.Sightings), "what", "sightings")
	add(count, "migrations_read_total", "messages that the judgement of migrations read", float64(c.Events), "what", "events")
	add(count, "migrations_read_total", "messages that the judgement of migrations read", float64(c.Incidents), "what", "incidents")
	add(count, "migrations_bad_total", "messages that it could not read", float64(c.Bad))
	add(count, "migrations_total", "findings about C&C families that were published", float64(c.Published))
	add(count, "migrations_repeated_total", "findings after a restart that had been published before", float64(c.Repeated))
	add(count, "migrations_save_errors_total", "how often its state could not be saved", float64(c.SaveErrors))
}

func (x metrics) memory(add addMetric) {
	m := x.m.memory.Load()
	if m == nil {
		return
	}
	m.mu.Lock()
	c, trouble := m.counts, m.trouble != ""
	m.mu.Unlock()
	count, gauge := prometheus.CounterValue, prometheus.GaugeValue
	add(count, "timeline_changes_total", "changes of routes that were stored", float64(c.Changes))
	add(count, "timeline_records_total", "events, revisions, gaps and other records that were stored", float64(c.Records))
	add(count, "timeline_batches_total", "transactions that stored them", float64(c.Batches))
	add(count, "timeline_errors_total", "transactions that failed; they are tried again", float64(c.Errors))
	add(count, "timeline_bad_total", "messages that could not be read", float64(c.Bad))
	add(count, "timeline_chunks_total", "chunks, by what was done with them", float64(c.Packed), "done", "packed")
	add(count, "timeline_chunks_total", "chunks, by what was done with them", float64(c.Merged), "done", "merged")
	add(count, "timeline_chunks_total", "chunks, by what was done with them", float64(c.Dropped), "done", "dropped")
	add(gauge, "timeline_bytes", "size of the store when it was last packed", c.Bytes)
	add(gauge, "timeline_writable", "1 while what is heard can be stored", one(!trouble))
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func sortedEyes(m map[string]watch.Eyes) []watch.Eyes {
	return slices.SortedFunc(maps.Values(m), func(a, b watch.Eyes) int { return cmp.Compare(a.Source, b.Source) })
}
