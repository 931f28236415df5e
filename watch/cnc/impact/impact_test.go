package impact_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"depeer/watch/cnc/impact"
)

var cut = time.Date(2008, 11, 11, 21, 0, 0, 0, time.UTC)

// spam makes a daily series from a year before the cut on: level 100, quiet Sundays, noise that
// lasts some days; level(d) multiplies it on day d after the cut.
func spam(seed uint64, noise float64, days int, level func(d float64) float64) []impact.Point {
	random := rand.New(rand.NewPCG(seed, 1))
	var out []impact.Point
	drift := 0.0
	for i := -120; i < days; i++ {
		at := time.Date(2008, 11, 12, 12, 0, 0, 0, time.UTC).AddDate(0, 0, i)
		drift = 0.6*drift + noise*random.NormFloat64()
		v := 100 * (1 + drift)
		if at.Weekday() == time.Sunday {
			v *= 0.6
		}
		if d := at.Sub(cut).Hours() / 24; d > 0 {
			v *= level(d)
		}
		out = append(out, impact.Point{At: at, Value: math.Max(v, 0.1)})
	}
	return out
}

// TestSpamAfterMcColo: the case of the documentation, with known numbers.
func TestSpamAfterMcColo(t *testing.T) {
	series := spam(1, 0.03, 200, func(d float64) float64 {
		if d > 14*7 {
			return 1
		}
		return 0.38
	})
	r, err := impact.At("spam", series, cut, impact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r.Summary, r.P)
	if !r.Proven || math.Abs(r.Change+0.62) > 0.06 || r.P > 0.002 || !r.Weekly {
		t.Errorf("%+v", r)
	}
	if weeks := r.Away.Hours() / 24 / 7; math.Abs(weeks-14) > 0.6 {
		t.Errorf("back after %.1f weeks", weeks)
	}
	if !strings.Contains(r.Summary, "% within a day of the cut, back after 14 weeks") {
		t.Error(r.Summary)
	}
	if d := r.Onset.Sub(cut); d < -24*time.Hour || d > 48*time.Hour {
		t.Errorf("breaks at %s", r.Onset)
	}
}

// TestNothingHappened: of series without any change hardly more are called changed than the
// chance that is allowed.
func TestNothingHappened(t *testing.T) {
	const n = 300
	called := 0
	for seed := range uint64(n) {
		r, err := impact.At("spam", spam(seed+10, 0.1, 60, func(float64) float64 { return 1 }), cut, impact.Options{Draws: 400, Chance: 0.05})
		if err != nil {
			t.Fatal(err)
		}
		if r.Proven {
			called++
		} else if !strings.Contains(r.Summary, "proves nothing") {
			t.Error(r.Summary)
		}
	}
	t.Logf("%d of %d", called, n)
	if called > n*12/100 {
		t.Errorf("%d of %d series without a change are called changed at 5 %%", called, n)
	}
}

// TestSmallChangeInNoise is found where it is large against the noise, and not otherwise.
func TestSmallChangeInNoise(t *testing.T) {
	down := func(float64) float64 { return 0.8 }
	found := func(noise float64) (n int) {
		for seed := range uint64(40) {
			if r, _ := impact.At("spam", spam(seed+50, noise, 60, down), cut, impact.Options{Draws: 400}); r.Proven {
				n++
			}
		}
		return n
	}
	if quiet, loud := found(0.02), found(0.3); quiet < 38 || loud > 12 {
		t.Errorf("-20 %%: found %d of 40 in quiet series, %d of 40 in loud ones", quiet, loud)
	}
}

func TestTooShort(t *testing.T) {
	series := spam(1, 0.03, 30, func(float64) float64 { return 0.1 })
	for _, c := range []struct {
		name   string
		series []impact.Point
		want   string
	}{
		{"little before", series[115:], "too few to know what is usual"},
		{"nothing after", series[:119], "too little was measured after"},
		{"nothing", nil, "proves nothing"},
	} {
		r, err := impact.At("spam", c.series, cut, impact.Options{})
		if err != nil || r.Proven || !strings.Contains(r.Summary, c.want) {
			t.Errorf("%s: %v %q", c.name, err, r.Summary)
		}
	}
	if _, err := impact.At("x", []impact.Point{{cut, 1}, {cut.Add(-1), 2}}, cut, impact.Options{}); err == nil {
		t.Error("a series out of order is accepted")
	}
}

func TestRead(t *testing.T) {
	a, err := impact.Read([]byte("time,spam\n2008-11-12,2\n2008-11-11 12:00,3.5\n# note\n1226500000,4\n"))
	if err != nil || len(a) != 3 || a[0].Value != 3.5 || a[2].Value != 4 {
		t.Error(a, err)
	}
	b, err := impact.Read([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1226500000.5,"4"],[1226500060,"NaN"],[1226500120,"5e1"]]}]}}`))
	if err != nil || len(b) != 2 || b[1].Value != 50 {
		t.Error(b, err)
	}
	for text, want := range map[string]string{
		"":                                       "no measurement",
		"2008-11-11\n":                           "line 1: a time and a value",
		"time,v\nsoon,1\n":                       `line 2: "soon" is no time`,
		"2008-11-11,many\n":                      `line 1: "many" is no measurement`,
		`{"status":"error","error":"bad query"}`: "bad query",
		`{"status":"success","data":{"resultType":"matrix","result":[]}}`: "0 series",
		`{"status":"success","data":{"resultType":"vector"}}`:             "matrix is needed",
	} {
		if _, err := impact.Read([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("time,spam\n2008-11-12,2\n"))
	f.Add([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"values":[[1,"4"]]}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := impact.Read(text)
		if err != nil {
			return
		}
		if r, err := impact.At("x", list, cut, impact.Options{Draws: 10}); err != nil || r.Summary == "" || math.IsNaN(r.P) {
			t.Error(fmt.Sprint(r), err)
		}
	})
}
