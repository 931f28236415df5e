package bgp

import "testing"

func TestCause(t *testing.T) {
	for _, x := range []struct {
		c    Cause
		want string
	}{
		{Cause{}, ""},
		{Cause{Text: "connection reset"}, "connection reset"},
		{Cause{Code: 4}, "hold timer expired"},
		{Cause{Code: 6, Subcode: 2, Text: "goodbye, McColo"}, "cease, administrative shutdown: goodbye, McColo"},
		{Cause{Code: 3, Subcode: 11}, "UPDATE message error, subcode 11"},
		{Cause{Code: 99, Subcode: 1}, "error 99, subcode 1"},
		{Cause{Code: 6, Subcode: 200}, "cease, subcode 200"},
	} {
		if got := x.c.String(); got != x.want {
			t.Errorf("%+v reads %q, want %q", x.c, got, x.want)
		}
	}
}
