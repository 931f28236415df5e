package main

import (
	"strings"
	"testing"
	"time"
)

func TestSightingLines(t *testing.T) {
	list, err := parseSightings("x", `# a comment
2008-11-15T18:00 Rustock 198.51.100.7 as AS64501 name Abilena.Podolsk-Mo.ru # and another
2008-11-01 to 2008-11-03 every 1d Mega-D/Ozdok 208.72.168.191 208.66.194.22 from fireeye

{"type":"sighting","source":"s","at":"2008-11-02T00:00:00Z","family":"Pushdo","kind":"cnc","addr":"66.246.252.215"}
`)
	if err != nil || len(list) != 8 {
		t.Fatal(len(list), err)
	}
	first, last := list[0], list[7]
	if first.Family != "Mega-D" || first.Source != "fireeye" || !first.At.Equal(time.Date(2008, 11, 1, 0, 0, 0, 0, time.UTC)) || first.ID == "" {
		t.Errorf("%+v", first)
	}
	if last.Family != "Rustock" || last.ASN != 64501 || last.Name != "abilena.podolsk-mo.ru" || last.Source != scenarioSource {
		t.Errorf("%+v", last)
	}
	if list[2].Family != "Cutwail" && list[3].Family != "Cutwail" && list[4].Family != "Cutwail" {
		t.Errorf("%+v", list)
	}
	ids := map[string]bool{}
	for _, s := range list {
		ids[s.ID] = true
	}
	if len(ids) != len(list) {
		t.Errorf("%d ids of %d sightings", len(ids), len(list))
	}
	for text, want := range map[string]string{
		"soon Rustock 9.9.9.1":                              `x:1: "soon" is no time`,
		"\n2008-11-01 Rustock":                              "x:2: neither an address nor a name",
		"2008-11-01":                                        "which family?",
		"2008-11-01 Rustock 9.9.9.1 as":                     "as of what?",
		"2008-11-01 Rustock 9.9.9.400":                      "9.9.9.400",
		"2008-11-01 Rustock 10.0.0.1":                       "bogon",
		"1999-01-01 to 2030-01-01 every 1s Zeus 9.0.0.1":    "more than",
		`{"at":"2008-11-02T00:00:00Z","family":"x"}`:        "no host",
		`{"at":"2008-11-02T00:00:00Z","addr":"9.0.0.1"} {}`: "something follows",
		`{"type":"event"}`:                                  `"event" is no sighting`,
	} {
		if _, err := parseSightings("x", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzSightings(f *testing.F) {
	f.Add("2008-11-15T18:00 Rustock 198.51.100.7 as 64501 name x.example\n2008-10-01 to 2008-10-05 every 1d Srizbi 9.0.0.1 offline dual generated print a:b")
	f.Add(`{"type":"sighting","source":"s","at":"2008-11-02T00:00:00Z","family":"Pushdo","kind":"cnc","addr":"66.246.252.215"}`)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseSightings("x", text)
		if err != nil {
			return
		}
		for i, s := range list {
			if s.ID == "" || s.At.IsZero() || i > 0 && s.At.Before(list[i-1].At) {
				t.Errorf("%+v", s)
			}
		}
	})
}
