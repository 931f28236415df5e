package cnc_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"depeer/watch"
	"depeer/watch/cnc"
)

// What is said of all hosters at once is what each dossier says.
func TestHousedSaysWhatTheDossiersSay(t *testing.T) {
	p := alone()
	p.see("Cutwail", 0, 59, 64500, "9.0.0.7")
	p.see("Cutwail", 0, 120, 64510, "14.0.0.1")
	p.see("Storm", 0, 59, 64500, "9.0.0.8")
	p.see("Rustock", 63, 120, 64501, "12.0.0.1")
	list := theHoster()
	list.Hosters = append(list.Hosters, watch.Hoster{ID: "other", Name: "Other", ASNs: []uint32{64510}}, watch.Hoster{ID: "clean", ASNs: []uint32{64999}})
	j := cnc.NewJudge(cnc.DefaultConfig(), list, nil)
	p.tell(j)
	now := day0.AddDate(0, 0, 120)
	housed := j.Housed(now)
	var said []string
	for _, h := range housed {
		to := ""
		for _, n := range h.MovedTo {
			to += fmt.Sprintf(" AS%d", n.ASN)
		}
		said = append(said, fmt.Sprintf("%s %s %s: %s%s", h.Hoster, h.Name, h.Family, h.Fate, to))
		d, _ := j.Dossier(h.Hoster, now)
		found := false
		for _, f := range d.Families {
			if f.Family == h.Family {
				found = true
				if f.Since != h.Since || f.Last != h.Last || f.Hosts != h.Hosts || f.Fate != h.Fate {
					t.Errorf("the dossier says %+v, all at once %+v", f, h)
				}
			}
		}
		if !found {
			t.Errorf("%+v is not in the dossier", h)
		}
	}
	want := "[h Hoster Cutwail: never paused h Hoster Rustock: moved AS64501 h Hoster Storm: gone other Other Cutwail: there]"
	if got := fmt.Sprint(said); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	j.Rewatch(theHoster())
	if n := len(j.Housed(now)); n != 3 {
		t.Errorf("%d families after one hoster is watched no more, want 3", n)
	}
}

func TestResidences(t *testing.T) {
	p := alone() // to day 59 at the hoster
	p.see("Rustock", 63, 120, 64501, "12.0.0.1", "12.0.0.2")
	p.add(cnc.Sighting{Family: "Rustock", At: day0.AddDate(0, 0, 70), Addr: netip.MustParseAddr("13.0.0.9")})
	j := cnc.NewJudge(cnc.DefaultConfig(), theHoster(), names{64501: "SUCCESSOR"})
	p.tell(j)
	list, ok := j.Residences("Rustock", day0.AddDate(0, 0, 121))
	var said []string
	for _, r := range list {
		said = append(said, fmt.Sprintf("AS%d %v %q %q %s..%s %d hosts alive %t", r.ASN, r.Prefix.IsValid(), r.Name, r.Hoster, r.Since.Format(time.DateOnly), r.Last.Format(time.DateOnly), r.Hosts, r.Alive))
	}
	want := `[AS64501 false "SUCCESSOR" "" 2024-05-03..2024-06-29 2 hosts alive true AS0 true "" "" 2024-05-10..2024-05-10 1 hosts alive false AS64500 false "Hoster" "h" 2024-03-01..2024-04-29 3 hosts alive false]`
	if got := fmt.Sprint(said); !ok || got != want {
		t.Errorf("%t %s\nwant %s", ok, got, want)
	}
	if _, ok := j.Residences("Nobody", day0); ok {
		t.Error("a family that was never seen has places")
	}
}

// names is a register that knows names alone.
type names map[uint32]string

func (n names) AS(asn uint32, _ time.Time) (cnc.ASFacts, bool) {
	return cnc.ASFacts{Name: n[asn], Customers: -1, Prefixes: -1}, n[asn] != ""
}
