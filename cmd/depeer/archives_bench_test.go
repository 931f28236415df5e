package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"depeer/bgp/mrt"
)

// BenchmarkArchives measures, over the recorded day, how much more wall time a
// command takes than what it cannot do without, in turn, in one run: the metric
// "ratio" is the median of the pairs' ratios.
func BenchmarkArchives(b *testing.B) {
	day, err := filepath.Glob(filepath.Join(scanTestData(b, "routeviews2-2008-02"), "updates.20080223.*.bz2"))
	if err != nil || len(day) == 0 {
		b.Skip("the recorded day 2008-02-23 is not among the data")
	}
	dir := b.TempDir()
	packed := filepath.Join(dir, "updates.20080223.0000.gz")
	pack(b, day, packed)
	depeer := filepath.Join(dir, "depeer")
	if out, err := exec.Command("go", "build", "-o", depeer, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	scan := append([]string{depeer, "scan", "-c", "../../configs/2008-02-23.yaml", "--watchlist", "--count"}, day...)
	replay := append([]string{depeer, "replay", "-c", "../../configs/2008-02-23.yaml", "--json"}, day...)
	b.Run("scan of gz over klauspost alone", func(b *testing.B) {
		ratio(b, command(depeer, "scan", "-c", "../../configs/2008-02-23.yaml", "--watchlist", "--count", packed), func() error {
			f, err := os.Open(packed)
			if err != nil {
				return err
			}
			defer f.Close()
			z, err := gzip.NewReader(f)
			if err == nil {
				_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, z, make([]byte, 256<<10))
			}
			return err
		})
	})
	b.Run("scan of bz2 over lbzip2 alone", func(b *testing.B) {
		if _, err := exec.LookPath("lbzip2"); err != nil {
			b.Skip("lbzip2 is not installed")
		}
		ratio(b, command(scan...), command(append([]string{"lbzip2", "-dc"}, day...)...))
	})
	b.Run("replay over scan", func(b *testing.B) { ratio(b, command(replay...), command(scan...)) })
}

// pack makes one gzip archive of many.
func pack(b *testing.B, names []string, to string) {
	f, err := os.Create(to)
	if err != nil {
		b.Fatal(err)
	}
	z := gzip.NewWriter(f)
	for _, name := range names {
		in, err := mrt.OpenInput(context.Background(), name)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(z, in); err != nil {
			b.Fatal(err)
		}
		in.Close()
	}
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// command runs a program and reads what it prints.
func command(args ...string) func() error {
	return func() error {
		c := exec.Command(args[0], args[1:]...)
		var stderr bytes.Buffer
		c.Stdout, c.Stderr = struct{ io.Writer }{io.Discard}, &stderr
		if err := c.Run(); err != nil {
			return &exec.Error{Name: strings.Join(args[:2], " ") + ": " + stderr.String(), Err: err}
		}
		return nil
	}
}

func ratio(b *testing.B, what, over func() error) {
	var ratios []float64
	timed := func(f func() error) float64 {
		began := time.Now()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		return time.Since(began).Seconds()
	}
	for b.Loop() {
		ratios = append(ratios, timed(what)/timed(over))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "ratio")
}
