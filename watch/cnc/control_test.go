package cnc_test

import (
	"testing"
	"time"

	"depeer/watch/cnc"
)

// controlSightings are those of the tracker from a year on, all in one list.
func controlSightings(t testing.TB, from time.Time) []cnc.Sighting {
	var list []cnc.Sighting
	for _, w := range trackerWeeks(t) {
		if w.at.After(from) {
			list = append(list, w.seen...)
		}
	}
	return list
}

// BenchmarkControls gives the false alarms in a hoster-year on cuts that never
// happened, over real weeks of a tracker.
func BenchmarkControls(b *testing.B) {
	list := controlSightings(b, time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
	cfg := cnc.DefaultConfig()
	for b.Loop() {
		var all cnc.Controls
		for seed := range uint64(3) {
			all.Add(cnc.Control(cfg, cnc.ControlHosters(cfg, list, 10, 40, seed), list, seed))
		}
		b.Log(all.String())
		b.ReportMetric(all.PerYear(), "false-alarms/hoster-year")
		b.ReportMetric(all.Years, "hoster-years")
	}
}

// TestControls: cuts that never happened give less than one false alarm in a hoster-year.
func TestControls(t *testing.T) {
	list := controlSightings(t, time.Date(2024, 8, 10, 0, 0, 0, 0, time.UTC))
	cfg := cnc.DefaultConfig()
	c := cnc.Control(cfg, cnc.ControlHosters(cfg, list, 10, 8, 5), list, 5)
	t.Log(c.String())
	for _, m := range c.Said {
		t.Log(m.Hoster, m.Summary, m.Caveats)
	}
	if c.Cuts < 8 || c.PerYear() >= 1 {
		t.Errorf("%s", c.String())
	}
}
