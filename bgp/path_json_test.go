package bgp

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPathJSON(t *testing.T) {
	for _, p := range []Path{
		nil,
		PathOf(3549, 26780),
		{{Type: ASSequence, ASNs: []uint32{1, 2}}, {Type: ASSet, ASNs: []uint32{3, 4294967295}}},
		{{Type: ASSet, ASNs: []uint32{7}}, {Type: ASSequence, ASNs: []uint32{8, 8, 8}}},
	} {
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back Path
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if !back.Equal(p) {
			t.Errorf("%s: read back as %v, was %v", data, back, p)
		}
	}
	for _, bad := range []string{`[-1]`, `[4294967296]`, `["x"]`, `{}`, `[[1,[2]]]`, `[1.5]`, `[null]`} {
		var p Path
		if err := json.Unmarshal([]byte(bad), &p); err == nil {
			t.Errorf("%s: read as %v", bad, p)
		} else if strings.TrimSpace(err.Error()) == "" {
			t.Errorf("%s: an empty error", bad)
		}
	}
}
