package rislive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"depeer/bgp"
)

// without gives the line as a server sends it that was not asked for octets.
func without(t testing.TB, line []byte) []byte {
	t.Helper()
	i := bytes.Index(line, []byte(`"raw":"`))
	if i < 0 {
		return line
	}
	j := i + 7 + bytes.IndexByte(line[i+7:], '"') + 1
	if line[j] == ',' {
		j++
	} else {
		t.Fatalf("raw is the last member: %s", line)
	}
	return append(slices.Clone(line[:i]), line[j:]...)
}

// words writes what a message meant, in an order that does not depend on how it
// was told.
func words(list []bgp.Update) (out []string) {
	for _, u := range list {
		if u.Kind == bgp.Heard {
			continue
		}
		out = append(out, fmt.Sprint(u.At.Format(time.RFC3339Nano), " ", u.Peer, " ", u.Kind, " ", u.Prefix, " ", u.V6, " ", u.Path, " ", u.Cause))
	}
	slices.Sort(out)
	return out
}

// The octets and the JSON of every recorded message say the same, but for what
// JSON cannot say; those are named.
func TestRawAndJSONAgree(t *testing.T) {
	const (
		files  = "1k-msgs 1-msg 10-msg 20-msg fail-as-set"
		expect = "1032 messages: 1026 updates; 836 announced, 2396 withdrawn"
	)
	var messages, updates, announced, withdrawn int
	exceptions := map[string][]string{}
	for name := range strings.FieldsSeq(files) {
		octets, c1 := testIntake(t, everything, nil)
		text, c2 := testIntake(t, everything, nil)
		for i, line := range testLines(t, "morrowc-rislive/"+name+".ndjson") {
			messages++
			octets.out, text.out = octets.out[:0], text.out[:0]
			now := time.Now().UnixMicro()
			octets.take(line, now)
			text.take(without(t, line), now)
			if bytes.Contains(line, []byte(`"type":"UPDATE"`)) {
				updates++
			}
			announced += count(octets.out, bgp.Announce)
			withdrawn += count(octets.out, bgp.Withdraw)
			if a, b := words(octets.out), words(text.out); !slices.Equal(a, b) {
				exceptions[name] = append(exceptions[name], fmt.Sprintf("%d: raw %v, json %v", i+1, a, b))
			}
		}
		for _, c := range []*counts{c1, c2} {
			for _, x := range c.list(0) {
				if (x.Name == "malformed" || x.Name == "ignored") && x.Value != 0 && x.Reason != "no-prefixes" {
					t.Errorf("%s: %s %s: %v", name, x.Name, x.Reason, x.Value)
				}
			}
		}
	}
	if got := fmt.Sprintf("%d messages: %d updates; %d announced, %d withdrawn", messages, updates, announced, withdrawn); got != expect {
		t.Errorf("%s; want %s", got, expect)
	}
	// RIS itself left the AS_SET of this one path out of the JSON in 2019.
	want := map[string][]string{"1k-msgs": {"258: raw [2019-05-23T14:00:47.05Z rrc14/198.32.176.24 AS2497 announce 201.183.255.0/24 false 2497 2914 12252 23487 27738 {27738} ], " +
		"json [2019-05-23T14:00:47.05Z rrc14/198.32.176.24 AS2497 announce 201.183.255.0/24 false 2497 2914 12252 23487 27738 ]"}}
	if d := cmp.Diff(want, exceptions); d != "" {
		t.Error(d)
	}
}

// What SOURCES.md counts in the recording is what it holds by encoding/json.
func TestRecordingAsEncodingJSONReadsIt(t *testing.T) {
	in, _ := testIntake(t, everything, nil)
	type data struct {
		Type          string
		Announcements []struct{ Prefixes []string }
		Withdrawals   []string
	}
	var announced, withdrawn, wantAnnounced, wantWithdrawn, entries int
	for i, line := range testLines(t, "morrowc-rislive/1k-msgs.ndjson") {
		var e struct{ Data data }
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		prefixes := map[string]bool{}
		for _, a := range e.Data.Announcements {
			for _, p := range a.Prefixes {
				prefixes[p] = true
				entries++
			}
		}
		in.out = in.out[:0]
		in.take(line, time.Now().UnixMicro())
		a, w := count(in.out, bgp.Announce), count(in.out, bgp.Withdraw)
		if a != len(prefixes) || w != len(e.Data.Withdrawals) {
			t.Errorf("message %d: %d announced, %d withdrawn; want %d, %d", i+1, a, w, len(prefixes), len(e.Data.Withdrawals))
		}
		announced, withdrawn = announced+a, withdrawn+w
		wantAnnounced, wantWithdrawn = wantAnnounced+len(prefixes), wantWithdrawn+len(e.Data.Withdrawals)
	}
	if announced != wantAnnounced || withdrawn != wantWithdrawn {
		t.Errorf("%d announced, %d withdrawn; want %d, %d", announced, withdrawn, wantAnnounced, wantWithdrawn)
	}
	// 84 prefixes are there twice, with a global and a link-local next hop.
	if entries != 871 || announced != 787 || withdrawn != 2394 {
		t.Errorf("%d entries, %d announced, %d withdrawn; want 871, 787, 2394", entries, announced, withdrawn)
	}
}
