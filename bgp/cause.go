package bgp

import "strconv"

// The NOTIFICATION error codes of RFC 4271 section 4.5 and RFC 7313 section 5.
var causeCodes = [...]string{"", "message header error", "OPEN message error", "UPDATE message error",
	"hold timer expired", "finite state machine error", "cease", "ROUTE-REFRESH message error"}

// The subcodes of Cease (RFC 4486, RFC 8538, RFC 9384).
var ceaseSubcodes = [...]string{"", "maximum number of prefixes reached", "administrative shutdown", "peer de-configured",
	"administrative reset", "connection rejected", "other configuration change", "connection collision resolution",
	"out of resources", "hard reset", "BFD down"}

// String reads "cease, administrative shutdown: maintenance", or what there is of
// it; "" where no cause is known.
func (c Cause) String() string {
	s := ""
	switch {
	case c.Code == 0:
		return c.Text
	case int(c.Code) < len(causeCodes):
		s = causeCodes[c.Code]
	default:
		s = "error " + strconv.Itoa(int(c.Code))
	}
	switch {
	case c.Subcode == 0:
	case c.Code == 6 && int(c.Subcode) < len(ceaseSubcodes):
		s += ", " + ceaseSubcodes[c.Subcode]
	default:
		s += ", subcode " + strconv.Itoa(int(c.Subcode))
	}
	if c.Text != "" {
		s += ": " + c.Text
	}
	return s
}
