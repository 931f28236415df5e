package cnc

import (
	"errors"
	"fmt"
	"time"
)

// Config is the part `migration` of the configuration: the points of the evidence and
// the thresholds. The defaults are those of the design; `depeer backtest` says what they
// are worth.
type Config struct {
	Every     time.Duration `yaml:"every"`      // how often what changed is judged, in time of the events
	Link      time.Duration `yaml:"link"`       // how long after a cut a family may turn up elsewhere
	Back      time.Duration `yaml:"back"`       // how long before it: evacuation
	Chain     time.Duration `yaml:"chain"`      // losses no further apart than this are one cut; lags count from its first
	Alive     time.Duration `yaml:"alive"`      // a host counts as alive for this long after it was seen
	Base      time.Duration `yaml:"base"`       // base rates are learned from this long before the cut
	Keep      time.Duration `yaml:"keep"`       // a host not seen for this long is forgotten
	NoGap     time.Duration `yaml:"no_gap"`     // never paused: seen where it was before within this of the cut
	Quiet     time.Duration `yaml:"quiet"`      // not seen in the new place for this long while its source goes on: it stayed only briefly
	Young     time.Duration `yaml:"young"`      // an AS first seen less than this ago is young
	Moved     Threshold     `yaml:"moved"`      // what cnc.moved needs
	WatchFrom float64       `yaml:"watch_from"` // cnc.watch: this score
	MaxHosts  int           `yaml:"max_hosts"`  // kept in memory; those not seen for longest go first
	Gone      GoneConfig    `yaml:"gone"`
	Points    Points        `yaml:"points"`
	Fronts    []uint32      `yaml:"fronts"` // ASes that stand in front of others' hosts (CDN, parking): no place where a family is
	Clouds    []uint32      `yaml:"clouds"` // ASes where everybody rents: never suggested to the watchlist
}

// Threshold is what an event needs: both, or prefixes that moved as they were.
type Threshold struct {
	Routing float64 `yaml:"routing"`
	CNC     float64 `yaml:"cnc"`
	Label   float64 `yaml:"label"` // routing points alone, for prefixes that moved as they were
}

// GoneConfig says when a family that is seen no more at a hoster is reported without any
// change of routes.
type GoneConfig struct {
	Hosts  int     `yaml:"hosts"`  // at least so many addresses before
	Part   float64 `yaml:"part"`   // at most this part of them is left
	Chance float64 `yaml:"chance"` // probability of that at the rate at which the family goes elsewhere
}

// Points are the weights of the evidence (see [Item]).
type Points struct {
	UpstreamLost  float64 `yaml:"upstream_lost"`   // others remain; three within 30 days: three times this
	TransitLost   float64 `yaml:"transit_lost"`    // a cut one level up
	Withdrawn     float64 `yaml:"withdrawn"`       // withdrawn everywhere
	Reannounced   float64 `yaml:"reannounced"`     // behind a never-seen upstream within 96 h
	ShortHop      float64 `yaml:"short_hop"`       // that, at a weekend or through an AS with under five customers
	Mesh          float64 `yaml:"mesh"`            // three upstreams changed within 7 days
	YoungOrigin   float64 `yaml:"young_origin"`    // new origin, a young AS
	OtherOrigin   float64 `yaml:"other_origin"`    // new origin, older and small, or of unknown age
	LargeOrigin   float64 `yaml:"large_origin"`    // new origin, a large cloud
	Together      float64 `yaml:"together"`        // three prefixes to one new origin within 7 days
	Split         float64 `yaml:"split"`           // one allocation in several hands
	Shared        float64 `yaml:"shared"`          // successor shares an upstream with the old origin
	Name          float64 `yaml:"name"`            // a known name resolves into another AS
	Address       float64 `yaml:"address"`         // the same address, under another AS
	Rate          float64 `yaml:"rate"`            // cap of ln((seen+0.5)/(expected+0.5)) x kernel
	Home          float64 `yaml:"home"`            // times the part of the family that had its home there
	Generated     float64 `yaml:"generated"`       // generated names in one /24
	Fingerprint   float64 `yaml:"fingerprint"`     // the same host fingerprint
	StillThereMax float64 `yaml:"still_there_max"` // C&C points at most, while the family is still seen in the old place
}

// DefaultConfig is what the design says; each value is explained in configs/depeer.yaml.
func DefaultConfig() Config {
	const day = 24 * time.Hour
	return Config{
		Every: 10 * time.Second, Link: 60 * day, Back: 75 * day, Chain: 30 * day, Alive: 45 * day, Base: 180 * day, Keep: 400 * day,
		NoGap: 3 * day, Quiet: 3 * day, Young: 90 * day,
		Moved: Threshold{Routing: 3, CNC: 2, Label: 6}, WatchFrom: 3, MaxHosts: 400_000,
		Gone: GoneConfig{Hosts: 8, Part: 0.1, Chance: 1e-6},
		Points: Points{UpstreamLost: 1, TransitLost: 1, Withdrawn: 3, Reannounced: 3, ShortHop: 1, Mesh: 1, YoungOrigin: 3, OtherOrigin: 1.5, LargeOrigin: -2,
			Together: 2, Split: 1.5, Shared: 1, Name: 2, Address: 2, Rate: 3, Home: 2, Generated: 2, Fingerprint: 3, StillThereMax: 1.5},
		// Cloudflare, Akamai (two), Fastly, Imperva, DDoS-Guard, Sucuri, Edgio, CDN77, Team Internet and Sedo (parking).
		Fronts: []uint32{13335, 20940, 16625, 54113, 19551, 57724, 30148, 15133, 60068, 61969, 47846},
		// Amazon (two), Google (two), Microsoft, OVH, Hetzner, DigitalOcean, Linode, Vultr, Alibaba (two), Tencent (two), Oracle,
		// Contabo, Huawei Cloud, Leaseweb, IONOS, GoDaddy, Scaleway, Hostinger.
		Clouds: []uint32{16509, 14618, 15169, 396982, 8075, 16276, 24940, 14061, 63949, 20473, 45102, 37963, 132203, 45090, 31898,
			51167, 136907, 60781, 8560, 26496, 12876, 47583},
	}
}

// Validate reports every fault of the configuration, each with its key and value.
func (c *Config) Validate() error {
	var errs []error
	for _, x := range []struct {
		key string
		v   time.Duration
		min time.Duration
	}{
		{"every", c.Every, time.Second}, {"link", c.Link, time.Hour}, {"back", c.Back, 0}, {"chain", c.Chain, time.Hour},
		{"alive", c.Alive, time.Hour}, {"base", c.Base, 24 * time.Hour}, {"keep", c.Keep, c.Link + c.Back}, {"no_gap", c.NoGap, time.Hour},
		{"quiet", c.Quiet, time.Hour}, {"young", c.Young, 0},
	} {
		if x.v < x.min {
			errs = append(errs, fmt.Errorf("migration.%s: must be at least %s, is %s", x.key, x.min, x.v))
		}
	}
	for _, x := range []struct {
		key string
		v   float64
	}{{"moved.routing", c.Moved.Routing}, {"moved.cnc", c.Moved.CNC}, {"moved.label", c.Moved.Label}, {"watch_from", c.WatchFrom}} {
		if !(x.v > 0 && x.v <= 100) {
			errs = append(errs, fmt.Errorf("migration.%s: must be above 0 and at most 100, is %v", x.key, x.v))
		}
	}
	if c.MaxHosts < 1000 {
		errs = append(errs, fmt.Errorf("migration.max_hosts: must be at least 1000, is %d", c.MaxHosts))
	}
	if c.Gone.Hosts < 1 {
		errs = append(errs, fmt.Errorf("migration.gone.hosts: must be at least 1, is %d", c.Gone.Hosts))
	}
	if !(c.Gone.Part >= 0 && c.Gone.Part < 1) {
		errs = append(errs, fmt.Errorf("migration.gone.part: must be from 0 to below 1, is %v", c.Gone.Part))
	}
	if !(c.Gone.Chance > 0 && c.Gone.Chance < 1) {
		errs = append(errs, fmt.Errorf("migration.gone.chance: must be between 0 and 1, is %v", c.Gone.Chance))
	}
	return errors.Join(append(errs, c.Points.validate()...)...)
}

func (p *Points) validate() []error {
	var errs []error
	for _, x := range []struct {
		key string
		v   float64
	}{
		{"upstream_lost", p.UpstreamLost}, {"transit_lost", p.TransitLost}, {"withdrawn", p.Withdrawn}, {"reannounced", p.Reannounced},
		{"short_hop", p.ShortHop}, {"mesh", p.Mesh}, {"young_origin", p.YoungOrigin}, {"other_origin", p.OtherOrigin}, {"large_origin", p.LargeOrigin},
		{"together", p.Together}, {"split", p.Split}, {"shared", p.Shared}, {"name", p.Name}, {"address", p.Address}, {"rate", p.Rate},
		{"home", p.Home}, {"generated", p.Generated}, {"fingerprint", p.Fingerprint}, {"still_there_max", p.StillThereMax},
	} {
		if !(x.v >= -20 && x.v <= 20) {
			errs = append(errs, fmt.Errorf("migration.points.%s: must be from -20 to 20, is %v", x.key, x.v))
		}
	}
	return errs
}
