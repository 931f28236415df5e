package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bigWatchlist writes hosters with one AS number and ten prefixes each, the
// lists in brackets or one item a line.
func bigWatchlist(hosters, prefixes int, brackets bool) []byte {
	var b strings.Builder
	b.WriteString("hosters:\n")
	for i := range hosters {
		fmt.Fprintf(&b, "  - id: hoster-%d\n    name: Hoster %d\n    asns: [%d]\n    prefixes:", i, i, 100000+i)
		for j := range prefixes {
			k := (i*prefixes + j) * 389 % (200 << 16) // prefixes do not come sorted
			p := fmt.Sprintf("%d.%d.%d.0/24", 1+k>>16, k>>8&255, k&255)
			switch {
			case !brackets:
				b.WriteString("\n      - " + p)
			case j == 0:
				b.WriteString(" [" + p)
			default:
				b.WriteString(", " + p)
			}
		}
		if brackets {
			b.WriteString("]")
		}
		b.WriteString("\n")
	}
	return []byte(b.String())
}

func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkConfig(b *testing.B) {
	for _, c := range []struct {
		name string
		text []byte
	}{
		{"1000x10-brackets", bigWatchlist(1000, 10, true)},
		{"1000x10-lines", bigWatchlist(1000, 10, false)},
		{"1x10000-brackets", bigWatchlist(1, 10000, true)},
		{"1x10000-lines", bigWatchlist(1, 10000, false)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.text)))
			b.ReportAllocs()
			start := cpu()
			for b.Loop() {
				if _, err := (configReader{}).parse("x.yaml", c.text); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpu()-start)/float64(b.N)/1e6, "cpu-ms/op")
		})
	}
}
