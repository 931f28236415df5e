package mrt

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
)

// FuzzReader: whatever an archive holds, it is read to its end or to a CutError,
// every line can be printed, and cutting the input into other blocks changes nothing.
func FuzzReader(f *testing.F) {
	f.Add(slices.Concat(announced(t0, 1, 3549, 26780), withdrawn(t0, 1), stateChange(t0, 1, 6, 1)))
	f.Add(slices.Concat(dumpV2(t0)...))
	f.Add(record(t0, typeTableDump, dumpIPv4, 0, 0, 0, 0, 3, 0, 0, 0, 8, 1, 0, 0, 0, 0, 192, 0, 2, 1, 0, 1, 0, 0))
	f.Add(record(t0, typeBGP, bgpUpdate, 0, 1, 192, 0, 2, 1, 0, 2, 192, 0, 2, 2, 0, 0, 0, 0))
	f.Add(record(t0, typeBGP4MPET, mpMessageAS4AddPath, 0, 0, 0, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		read := func(r io.Reader) (out []byte, d *Decoder, err error) {
			d = NewDecoder("fuzz", r)
			d.Torn = true
			var e Event
			var p Printer
			for {
				if err = d.Next(&e); err != nil {
					return out, d, err
				}
				p.Begin(&e)
				for el := range e.Elements {
					out = p.Append(out, el)
					p.AppendJSON(nil, el, "rrc00")
				}
			}
		}
		all, d, err := read(bytes.NewReader(b))
		var cut *CutError
		if err != io.EOF && !errors.As(err, &cut) {
			t.Fatalf("%v is neither the end nor a cut", err)
		}
		if err == io.EOF && d.Reader().Offset() != int64(len(b)) {
			t.Fatalf("ended at byte %d of %d", d.Reader().Offset(), len(b))
		}
		slow, d2, err2 := read(&onesies{b: b})
		if !bytes.Equal(all, slow) || d.Skipped != d2.Skipped || (err == io.EOF) != (err2 == io.EOF) {
			t.Fatalf("read in other blocks: %v, %v\n%s\n%s", err, err2, all, slow)
		}
	})
}

// onesies gives seven bytes at a time.
type onesies struct{ b []byte }

func (o *onesies) Read(p []byte) (int, error) {
	if len(o.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 7)], o.b)
	o.b = o.b[n:]
	return n, nil
}
