package bgptest

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/tools/txtar"
)

// File is a scenario file: a txtar archive of the sections config.yaml, timeline,
// expected and sightings, after a comment that says in plain words what happens.
type File struct {
	Comment  string
	Config   string // the configuration that the scenario runs under
	Timeline string // see [Parse]; padded so that line numbers are those of the file
	Expected string // what must be said of it
	// Sightings are the C&C servers that were seen, one a line or one JSON object a line;
	// padded as Timeline is. Nothing in this package reads them.
	Sightings string
}

// ReadFile reads a scenario file. It is an error when it has no timeline, has a
// section twice, or one that is not known.
func ReadFile(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ParseFile(path, text)
}

// ParseFile reads the text of a scenario file; name is for errors.
func ParseFile(name string, text []byte) (*File, error) {
	f, err := parseFile(text)
	if err != nil {
		return nil, fmt.Errorf("read scenario %s: %w", name, err)
	}
	return f, nil
}

func parseFile(text []byte) (*File, error) {
	a := txtar.Parse(text)
	f := &File{Comment: strings.TrimSpace(string(a.Comment))}
	line := strings.Count(string(a.Comment), "\n")
	seen := map[string]bool{}
	for _, part := range a.Files {
		line++ // the marker
		if seen[part.Name] {
			return nil, fmt.Errorf("section %q is there twice", part.Name)
		}
		seen[part.Name] = true
		switch data := string(part.Data); part.Name {
		case "config.yaml":
			f.Config = data
		case "timeline":
			f.Timeline = strings.Repeat("\n", line) + data
		case "expected":
			f.Expected = data
		case "sightings":
			f.Sightings = strings.Repeat("\n", line) + data
		default:
			return nil, fmt.Errorf("section %q is not known: config.yaml, timeline, expected, sightings", part.Name)
		}
		line += strings.Count(string(part.Data), "\n")
	}
	if !seen["timeline"] {
		return nil, fmt.Errorf("section \"timeline\" is missing")
	}
	return f, nil
}
