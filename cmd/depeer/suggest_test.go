package main

import "testing"

func TestDidYouMean(t *testing.T) {
	known := []string{"hosters", "policy", "valid", "", "mrt"}
	for written, want := range map[string]string{
		"hoster": " (did you mean hosters?)", "polcy": " (did you mean policy?)", "vaild": " (did you mean valid?)",
		"mtr": " (did you mean mrt?)", "x": "", "": "", "sources": "", "validity": "",
	} {
		if have := didYouMean(written, known); have != want {
			t.Errorf("%q: have %q, want %q", written, have, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if have := editDistance(c.a, c.b); have != c.want {
			t.Errorf("%q to %q: have %d, want %d", c.a, c.b, have, c.want)
		}
	}
}
