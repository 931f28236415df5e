package bzip2

import (
	"bytes"
	stdbzip2 "compress/bzip2"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

func storm(b *testing.B) []byte {
	for _, name := range recordings(b) {
		if filepath.Base(name) == "updates.20080220.2111.bz2" {
			return readFile(b, name)
		}
	}
	b.Skip("no recording of the storm")
	return nil
}

func day(b *testing.B) []byte {
	var all []byte
	for _, name := range recordings(b) {
		if strings.Contains(name, "updates.20080223") {
			all = append(all, readFile(b, name)...)
		}
	}
	return all
}

func BenchmarkReader(b *testing.B) {
	for name, stored := range map[string][]byte{"storm": storm(b), "day": day(b)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r := NewReader(bytes.NewReader(stored))
				total := int64(0)
				for {
					p, err := r.Next()
					total += int64(len(p))
					if err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
				r.Close()
				b.SetBytes(total)
			}
		})
	}
}

func BenchmarkStandardLibrary(b *testing.B) {
	stored := storm(b)
	for b.Loop() {
		n, err := io.Copy(io.Discard, stdbzip2.NewReader(bytes.NewReader(stored)))
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(n)
	}
}

// BenchmarkStages measures the parts of one core's work over the storm.
func BenchmarkStages(b *testing.B) {
	stored := storm(b)
	padded := append(bytes.Clone(stored), make([]byte, padding)...)
	found := append(find(nil, stored, 0, 0), int64(len(stored))<<3)
	s := new(scratch)
	out := make([]byte, outputSize)
	stage := func(name string, depth int) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				total := 0
				for i, bit := range found[:len(found)-2] {
					if err := s.parse(padded, int(bit), int(found[i+1])); err != nil {
						b.Fatal(err)
					}
					total += s.size
					if depth > 0 {
						s.inverse.init()
						s.scatter()
					}
					if depth > 1 {
						s.follow()
					}
					if depth > 2 {
						text := s.join()
						for depth > 3 && len(text) > 0 {
							i, n := expand(text, out)
							text = text[i:]
							if depth > 4 {
								checksum(0, out[:n])
							}
						}
					}
				}
				b.SetBytes(int64(total))
			}
		})
	}
	b.Run("find", func(b *testing.B) {
		b.SetBytes(int64(len(stored)))
		for b.Loop() {
			found = find(found[:0], stored, 0, 0)
		}
		found = append(found, int64(len(stored))<<3)
	})
	for depth, name := range []string{"parse", "+scatter", "+follow", "+join", "+expand", "+checksum"} {
		stage(name, depth)
	}
}
