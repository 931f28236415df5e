package origins

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Relations is who an AS buys transit from, sells it to, and peers with.
type Relations struct {
	Providers []uint32
	Customers []uint32
	Peers     []uint32
}

// relations is the relationships of one date.
type relations struct {
	at time.Time
	of map[uint32]*Relations
}

// readRelations reads CAIDA's AS relationships (serial-1 and serial-2): provider|customer|-1 and peer|peer|0; some
// say each pair in both directions, customer|provider|1.
func readRelations(r io.Reader, at time.Time) (*relations, error) {
	out := &relations{at: at, of: map[uint32]*Relations{}}
	get := func(a uint32) *Relations {
		x := out.of[a]
		if x == nil {
			x = &Relations{}
			out.of[a] = x
		}
		return x
	}
	lines, bad := 0, 0
	s := bufio.NewScanner(r)
	for s.Scan() {
		line := strings.TrimSpace(s.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		lines++
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			bad++
			continue
		}
		a, err1 := strconv.ParseUint(cells[0], 10, 32)
		b, err2 := strconv.ParseUint(cells[1], 10, 32)
		kind := cells[2]
		if err1 != nil || err2 != nil || kind != "-1" && kind != "0" && kind != "1" && kind != "2" {
			bad++
			continue
		}
		if kind == "1" {
			a, b, kind = b, a, "-1"
		}
		switch kind {
		case "-1":
			get(uint32(a)).Customers = append(get(uint32(a)).Customers, uint32(b))
			get(uint32(b)).Providers = append(get(uint32(b)).Providers, uint32(a))
		case "0":
			get(uint32(a)).Peers = append(get(uint32(a)).Peers, uint32(b))
			get(uint32(b)).Peers = append(get(uint32(b)).Peers, uint32(a))
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	if lines == 0 || bad*10 > lines {
		return nil, fmt.Errorf("%d of its %d lines cannot be read", bad, lines)
	}
	for _, x := range out.of {
		for _, l := range []*[]uint32{&x.Providers, &x.Customers, &x.Peers} {
			slices.Sort(*l)
			*l = slices.Clip(slices.Compact(*l))
		}
	}
	return out, nil
}

// readNames reads names of ASes: a JSON object of them by number (pyasn), or lines of number and name.
func readNames(r io.Reader, into map[uint32]string) error {
	b := bufio.NewReaderSize(r, 64<<10)
	put := func(number, name string) bool {
		number = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(number)), "AS")
		n, err := strconv.ParseUint(number, 10, 32)
		name = strings.TrimSpace(name)
		if err != nil || name == "" || len(name) > 200 || len(into) > maxNames {
			return false
		}
		into[uint32(n)] = name
		return true
	}
	if head, _ := b.Peek(1); len(head) == 1 && head[0] == '{' {
		dec := json.NewDecoder(b)
		if _, err := dec.Token(); err != nil {
			return err
		}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			var name string
			if err := dec.Decode(&name); err != nil {
				return err
			}
			put(fmt.Sprint(key), name)
		}
		return nil
	}
	good, lines := 0, 0
	s := bufio.NewScanner(b)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line := s.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		lines++
		number, name, ok := strings.Cut(line, "\t")
		if !ok {
			number, name, ok = strings.Cut(line, ",")
		}
		if !ok {
			number, name, _ = strings.Cut(line, " ")
		}
		if put(number, strings.Trim(name, `"`)) {
			good++
		}
	}
	if err := s.Err(); err != nil {
		return err
	}
	if good*2 < lines || good == 0 {
		return fmt.Errorf("only %d of its %d lines are a number and a name", good, lines)
	}
	return nil
}

// readOrganisations reads CAIDA's AS-to-organisation map: JSON lines, or the text with |.
func readOrganisations(r io.Reader, into map[uint32]string) error {
	names, of := map[string]string{}, map[uint32]string{}
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), 1<<20)
	format := ""
	for s.Scan() {
		line := strings.TrimSpace(s.Text())
		switch {
		case line == "" || len(names)+len(of) > 2*maxNames:
		case line[0] == '#':
			format = strings.ToLower(line)
		case line[0] == '{':
			var x struct {
				Type, Name, ASN string
				ID              string `json:"organizationId"`
			}
			if json.Unmarshal([]byte(line), &x) != nil {
				continue
			}
			if n, err := strconv.ParseUint(x.ASN, 10, 32); err == nil {
				of[uint32(n)] = x.ID
			} else if x.ID != "" {
				names[x.ID] = x.Name
			}
		default:
			cells := strings.Split(line, "|")
			switch {
			case len(cells) < 4:
			case strings.Contains(format, "aut|"):
				if n, err := strconv.ParseUint(cells[0], 10, 32); err == nil {
					of[uint32(n)] = cells[3]
				}
			default:
				names[cells[0]] = cells[2]
			}
		}
	}
	if err := s.Err(); err != nil {
		return err
	}
	found := 0
	for asn, id := range of {
		if name := names[id]; name != "" {
			into[asn] = name
			found++
		}
	}
	if found == 0 {
		return fmt.Errorf("it names the organisation of no AS")
	}
	return nil
}

func openText(path string, read func(io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := unpacked(f)
	if err == nil {
		err = read(r)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return nil
}
