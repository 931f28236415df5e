package watch

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// TestOriginsAreValidated: the event says what the RPKI knows, and a detector that was
// saved says "unknown" until it is given somebody to ask again.
func TestOriginsAreValidated(t *testing.T) {
	var asked []string
	validate := func(p netip.Prefix, origin uint32) string {
		asked = append(asked, fmt.Sprintf("%s %d", p, origin))
		if origin == 64998 {
			return "" // it does not know
		}
		return "invalid"
	}
	for _, c := range []struct {
		name, tail, want string
		edit             func(w *world)
	}{
		{"nobody to ask", "174 64999", "unknown", func(*world) {}},
		{"invalid", "174 64999", "invalid", func(w *world) { w.d.Validate = validate }},
		{"no data", "174 64998", "unknown", func(w *world) { w.d.Validate = validate }},
		{"saved", "174 64999", "unknown", func(w *world) { w.d.Validate = validate; w.d = reload(t, w.d) }},
		{"saved and given", "174 64999", "invalid", func(w *world) { w.d = reload(t, w.d); w.d.Validate = validate }},
	} {
		w := carried(t)
		asked = nil
		c.edit(w)
		w.announce("1-3", one, c.tail).after(2 * time.Minute)
		if e := w.event(OriginNew); e.RPKI != c.want {
			t.Errorf("%s: %q", c.name, e.RPKI)
		}
		if c.want == "invalid" && fmt.Sprint(asked) != "["+one+" 64999]" {
			t.Errorf("%s: asked for %v", c.name, asked)
		}
	}
}
