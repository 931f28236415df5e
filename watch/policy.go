package watch

import (
	"errors"
	"fmt"
	"time"
)

// Policy holds every threshold of the judgement. Shares and visibilities are
// parts of one; they are compared with the baseline, not with everything.
type Policy struct {
	Hold           time.Duration `yaml:"hold"`            // an event waits this long after its onset, for path hunting to end
	LostBelow      float64       `yaml:"lost_below"`      // upstream lost: at most this part of its baseline is left
	WithdrawnBelow float64       `yaml:"withdrawn_below"` // prefix withdrawn: at most this part of its baseline still sees it
	RestoredAbove  float64       `yaml:"restored_above"`  // back: at least this part of the baseline
	MinPeers       int           `yaml:"min_peers"`       // an edge seen by fewer peers is no upstream (all, where there are fewer)
	MinKnown       float64       `yaml:"min_known"`       // without a table to start from: the part of the peers that must have spoken of a prefix before its loss is believed
	DarkAbove      float64       `yaml:"dark_above"`      // hoster dark: at least this part of its address space is withdrawn
	ViaMinShare    float64       `yaml:"via_min_share"`   // a hop above an upstream counts from this part of the upstream's routes
	Baseline       time.Duration `yaml:"baseline"`        // how far back "never seen before" looks
	Settle         time.Duration `yaml:"settle"`          // a level is a baseline, and a fall is over, when it has held this long
	Resolve        time.Duration `yaml:"resolve"`         // an incident resolves when it has been back this long
	ResolveAbove   float64       `yaml:"resolve_above"`   // back: at least this part of the baseline
	NewNormal      time.Duration `yaml:"new_normal"`      // what has lasted this long is the new baseline
	Zombie         time.Duration `yaml:"zombie"`          // who still holds a route this long after all others withdrew it is left out
	References     int           `yaml:"references"`      // reference prefixes followed per upstream
	ReferenceGone  float64       `yaml:"reference_gone"`  // the upstream is failing when at least this part of its references went too
	BlindAbove     float64       `yaml:"blind_above"`     // feed.lost: more than this part of a collector's peers went down
	Silent         time.Duration `yaml:"silent"`          // feed.stale: a collector that used to speak every minute is silent this long
	SyncQuiet      time.Duration `yaml:"sync_quiet"`      // a table transfer without End-of-RIB is over when the peer has been calm this long
	IncidentSpace  float64       `yaml:"incident_space"`  // withdrawals open an incident from this part of the hoster's address space
}

// DefaultPolicy is what the design says; each value is explained in configs/depeer.yaml.
func DefaultPolicy() Policy {
	return Policy{
		Hold:           time.Minute,
		LostBelow:      0.05,
		WithdrawnBelow: 0.10,
		RestoredAbove:  0.50,
		MinPeers:       2,
		MinKnown:       0.20,
		DarkAbove:      0.95,
		ViaMinShare:    0.25,
		Baseline:       7 * 24 * time.Hour,
		Settle:         5 * time.Minute,
		Resolve:        10 * time.Minute,
		ResolveAbove:   0.90,
		NewNormal:      24 * time.Hour,
		Zombie:         90 * time.Minute,
		References:     50,
		ReferenceGone:  0.50,
		BlindAbove:     0.20,
		Silent:         15 * time.Minute,
		SyncQuiet:      2 * time.Minute,
		IncidentSpace:  0.25,
	}
}

// Validate reports every fault of the policy, each with its key and value.
func (p *Policy) Validate() error {
	var errs []error
	part := func(key string, v float64) {
		if !(v >= 0 && v <= 1) {
			errs = append(errs, fmt.Errorf("policy.%s: %v is not between 0 and 1", key, v))
		}
	}
	span := func(key string, v, least time.Duration) {
		if v < least {
			errs = append(errs, fmt.Errorf("policy.%s: %s is less than %s", key, v, least))
		}
	}
	part("lost_below", p.LostBelow)
	part("withdrawn_below", p.WithdrawnBelow)
	part("restored_above", p.RestoredAbove)
	part("min_known", p.MinKnown)
	part("dark_above", p.DarkAbove)
	part("via_min_share", p.ViaMinShare)
	part("resolve_above", p.ResolveAbove)
	part("reference_gone", p.ReferenceGone)
	part("blind_above", p.BlindAbove)
	part("incident_space", p.IncidentSpace)
	if p.LostBelow >= p.RestoredAbove {
		errs = append(errs, fmt.Errorf("policy.lost_below: %v is not below restored_above (%v)", p.LostBelow, p.RestoredAbove))
	}
	if p.WithdrawnBelow >= p.RestoredAbove {
		errs = append(errs, fmt.Errorf("policy.withdrawn_below: %v is not below restored_above (%v)", p.WithdrawnBelow, p.RestoredAbove))
	}
	if p.MinPeers < 1 {
		errs = append(errs, fmt.Errorf("policy.min_peers: %d is less than 1", p.MinPeers))
	}
	if p.References < 0 {
		errs = append(errs, fmt.Errorf("policy.references: %d is negative", p.References))
	}
	span("hold", p.Hold, 0)
	span("baseline", p.Baseline, time.Hour)
	span("settle", p.Settle, time.Second)
	span("resolve", p.Resolve, 0)
	span("new_normal", p.NewNormal, time.Minute)
	span("zombie", p.Zombie, time.Minute)
	span("silent", p.Silent, time.Minute)
	span("sync_quiet", p.SyncQuiet, time.Second)
	return errors.Join(errs...)
}
