package mrt

import (
	"path/filepath"
	"regexp"
	"strings"
)

// collectorName finds the names that RIPE RIS (rrc00 to rrc26) and RouteViews
// (route-views2, route-views.jinx, and route-views alone) give to collectors.
// The borders keep "rrc001" and "my-route-views" out.
var collectorName = regexp.MustCompile(`(?i)(?:^|[/._-])(rrc[0-9]{2}|route-?views(?:[0-9]+|\.[a-z][a-z0-9-]*)?(?:\.routeviews\.org)?)(?:$|[/._-])`)

// notCollectors are what may follow "route-views." in a file's name and is not
// part of the collector's.
var notCollectors = map[string]bool{"updates": true, "rib": true, "ribs": true, "bview": true, "bgpdata": true, "org": true, "mrt": true,
	"gz": true, "bz2": true, "zst": true}

// Collector tells the collector from the path or address of an archive, as the
// archives themselves and the usual download tools name them: ".../rrc00/...",
// "ris.rrc06.updates...", ".../route-views.jinx/bgpdata/...", "routeviews2-2008-02/...".
// The archive of route-views2, whose address names no collector, is told by its
// host. It is empty where the path does not say.
func Collector(name string) string {
	clean := strings.ToLower(filepath.ToSlash(name))
	// The nearest name to the file wins: folders above may name a whole archive.
	parts := strings.Split(clean, "/")
	for i := len(parts) - 1; i >= 0; i-- {
		m := collectorName.FindStringSubmatch(parts[i])
		if m == nil {
			// "routeviews.route-views.jinx.updates": the first match ate the border.
			continue
		}
		if c := tidyCollector(parts[i], m[1]); c != "" {
			return c
		}
	}
	return ""
}

func tidyCollector(part, c string) string {
	if strings.HasPrefix(c, "rrc") {
		return c
	}
	if part == "archive.routeviews.org" || part == "routeviews.org" {
		return "route-views2"
	}
	c = strings.TrimSuffix(c, ".routeviews.org")
	if i := strings.Index(part, "route-views."); i >= 0 {
		c = part[i:]
		if j := strings.IndexByte(c[len("route-views."):], '.'); j >= 0 {
			c = c[:len("route-views.")+j]
		}
	}
	c = strings.Replace(c, "routeviews", "route-views", 1)
	base, rest, ok := strings.Cut(c, ".")
	if ok && notCollectors[rest] {
		c = base
	}
	return c
}
