package bzip2

import (
	"bytes"
	stdbzip2 "compress/bzip2"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"depeer/bgp/bgptest/realdata"

	"go.uber.org/goleak"
)

// recordings finds the recorded archives, which are not part of the repository.
func recordings(t testing.TB) (names []string) {
	t.Helper()
	dir, err := realdata.Find("mrt")
	if err != nil {
		t.Skip(err)
	}
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".bz2") {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ours decompresses and closes.
func ours(stored []byte) ([]byte, error) {
	r := NewReader(bytes.NewReader(stored))
	defer r.Close()
	return io.ReadAll(r)
}

func TestRecordings(t *testing.T) {
	names := recordings(t)
	cut := 0
	for i, name := range names {
		if strings.Contains(name, "routeviews2") && i%12 != 0 && os.Getenv("DEPEER_LONG") == "" {
			continue // of a day's archives, which are alike, some
		}
		stored := readFile(t, name)
		want, wantErr := io.ReadAll(stdbzip2.NewReader(bytes.NewReader(stored)))
		got, err := ours(stored)
		if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) || errors.Is(err, io.ErrUnexpectedEOF) != (wantErr == io.ErrUnexpectedEOF) {
			t.Errorf("%s: %d bytes, %v; want %d bytes, %v", filepath.Base(name), len(got), err, len(want), wantErr)
		}
		if wantErr != nil {
			cut++
		}
	}
	t.Logf("%d archives, %d of them cut", len(names), cut)
}

// command runs bzip2 over data.
func command(t testing.TB, data []byte, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("bzip2")
	if err != nil {
		t.Skip("no bzip2 command to compare with")
	}
	c := exec.Command(path, args...)
	c.Stdin = bytes.NewReader(data)
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// samples are texts that are hard in one way or another.
func samples() map[string][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 3000)
	skewed := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	for i := range skewed {
		skewed[i] = byte(rng.ExpFloat64() * 9)
	}
	runs := []byte{}
	for n := range 300 {
		runs = append(runs, bytes.Repeat([]byte{byte(n * 7)}, n)...)
	}
	return map[string][]byte{
		"one byte":              {7},
		"two bytes":             []byte("ba"),
		"equal bytes":           []byte("aaa"),
		"four at the end":       []byte("baaaa"),
		"noise":                 noise,
		"skewed":                skewed,
		"runs of every length":  runs,
		"run after a full run":  bytes.Repeat([]byte{0}, 259+259+3),
		"a block that repeats":  bytes.Repeat([]byte("abc"), 2000),
		"a long period":         bytes.Repeat(skewed[:1999], 4),
		"zeros":                 make([]byte, 1<<16),
		"two values, no period": bytes.ReplaceAll(noise, noise[:1], []byte("ababab")),
	}
}

func TestOwnEncoder(t *testing.T) {
	for name, text := range samples() {
		stored := encoder{level: 9}.encode(text, text[:len(text)/2+1])
		want := append(bytes.Clone(text), text[:len(text)/2+1]...)
		if std, err := io.ReadAll(stdbzip2.NewReader(bytes.NewReader(stored))); err != nil || !bytes.Equal(std, want) {
			t.Errorf("%s: the encoder is wrong: %v", name, err)
		}
		if got, err := ours(stored); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(want), err)
		}
	}
}

// TestRandomised reads what the standard library does not.
func TestRandomised(t *testing.T) {
	for name, text := range samples() {
		stored := encoder{level: 1, randomised: true}.encode(text)
		if got, err := ours(stored); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(text), err)
		}
		if !bytes.Equal(command(t, stored, "-dc"), text) {
			t.Errorf("%s: the encoder is wrong", name)
		}
	}
}

// TestFalseMagicNumbers hides magic numbers in blocks, at every bit of a byte.
func TestFalseMagicNumbers(t *testing.T) {
	text := samples()["skewed"]
	for _, hidden := range [][]uint64{{blockMagic}, {streamMagic}, {blockMagic, streamMagic, blockMagic}, make([]uint64, 600)} {
		for i := range hidden {
			if hidden[i] == 0 {
				hidden[i] = []uint64{blockMagic, streamMagic}[i/7%2]
			}
		}
		for n := range 8 {
			parts := [][]byte{text[:10+n*97], text[n:], text[:1000+n], text[200:]}
			odd, plain := encoder{level: 9, rubbish: hidden}, encoder{level: 9}
			stored := odd.encode(parts...)
			stored = append(stored, plain.encode(parts...)...)
			stored = append(stored, odd.encode(parts...)...)
			if found := find(nil, append(bytes.Clone(stored), make([]byte, overlap)...), 0, 0); len(found) != 3*5+8*len(hidden) {
				t.Errorf("%d magic numbers found, want %d", len(found), 3*5+8*len(hidden))
			}
			want := bytes.Repeat(bytes.Join(parts, nil), 3)
			if std, err := io.ReadAll(stdbzip2.NewReader(bytes.NewReader(stored))); err != nil || !bytes.Equal(std, want) {
				t.Fatalf("the encoder is wrong: %v", err)
			}
			if got, err := ours(stored); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d hidden: %d bytes of %d, %v", len(hidden), len(got), len(want), err)
			}
			cut := stored[:len(stored)-len(stored)/3-30]
			got, err := ours(cut)
			std, _ := io.ReadAll(stdbzip2.NewReader(bytes.NewReader(cut)))
			if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(got, std) {
				t.Errorf("%d hidden, cut: %d bytes instead of %d, %v", len(hidden), len(got), len(std), err)
			}
		}
	}
}

// TestFindEveryPlace puts each magic number at every bit around the ends of what is looked at.
func TestFindEveryPlace(t *testing.T) {
	for _, magic := range []uint64{blockMagic, streamMagic} {
		for bit := range 400 {
			data := make([]byte, 80)
			for i := range 48 {
				data[(bit+i)/8] |= byte(magic>>(47-i)&1) << (7 - (bit+i)%8)
			}
			for split := range len(data) {
				found := find(nil, data[:split], 0, 0)
				from := max(split-overlap, 0)
				found = find(found, data[from:], int64(from), 0)
				if len(found) != 1 || found[0] != int64(bit) {
					t.Fatalf("bit %d, split at %d: %v", bit, split, found)
				}
			}
		}
	}
}

// TestCommandStreams reads what the usual encoder writes: several blocks, levels, concatenated streams.
func TestCommandStreams(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	large := make([]byte, 2_500_000)
	for i := range large {
		large[i] = byte(rng.ExpFloat64() * 20)
	}
	var magics []byte
	for range 30_000 {
		magics = append(magics, "1AY&SY\x17rE8P\x90BZh9"...)
	}
	inputs := map[string][]byte{
		"large": large, "magic numbers": magics, "nothing": nil,
		"a block that expands to many outputs": make([]byte, 40<<20),
		"long and short runs":                  append(append(make([]byte, 3<<20), large[:500_000]...), bytes.Repeat([]byte{255}, 1<<20)...),
	}
	for name, text := range inputs {
		for _, level := range []string{"-1", "-9"} {
			stored := command(t, text, level)
			if got, err := ours(stored); err != nil || !bytes.Equal(got, text) {
				t.Errorf("%s, level %s: %d bytes of %d, %v", name, level, len(got), len(text), err)
			}
			if len(text) > 8<<20 {
				continue
			}
			several := bytes.Repeat(stored, 3)
			if got, err := ours(several); err != nil || !bytes.Equal(got, bytes.Repeat(text, 3)) {
				t.Errorf("%s, level %s, three streams: %d bytes of %d, %v", name, level, len(got), 3*len(text), err)
			}
		}
	}
}

// TestCuts cuts a file of two streams at every byte.
func TestCuts(t *testing.T) {
	text := samples()["skewed"][:700]
	one := encoder{level: 3}.encode(text, text[100:])
	stored := append(bytes.Clone(one), encoder{level: 1}.encode(text)...)
	for n := range len(stored) {
		want, _ := io.ReadAll(stdbzip2.NewReader(bytes.NewReader(stored[:n])))
		got, err := ours(stored[:n])
		if !bytes.Equal(got, want) {
			t.Fatalf("cut at %d: %d bytes, want %d", n, len(got), len(want))
		}
		if n == len(one) {
			if err != nil {
				t.Errorf("cut between streams: %v", err)
			}
			continue
		}
		f, ok := errors.AsType[*FormatError](err)
		if !ok || !errors.Is(err, io.ErrUnexpectedEOF) || f.Offset != int64(n) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

// TestDamage flips every bit: no panic, no wrong byte, and no flip in a checked place goes unseen.
func TestDamage(t *testing.T) {
	text := samples()["skewed"][:900]
	stored := encoder{level: 1}.encode(text[:300], text[300:])
	unseen := 0
	for bit := range len(stored) * 8 {
		bad := bytes.Clone(stored)
		bad[bit/8] ^= 1 << (bit % 8)
		got, err := ours(bad)
		if !bytes.HasPrefix(text, got) {
			t.Fatalf("bit %d: wrong bytes", bit)
		}
		if err == nil {
			if len(got) != len(text) {
				t.Fatalf("bit %d: %d bytes without an error", bit, len(got))
			}
			unseen++
		}
	}
	// The level, code lengths of symbols that do not occur, and the padding at the
	// end may change unseen.
	if unseen > 100 {
		t.Errorf("%d flips were not seen", unseen)
	}
	t.Logf("%d of %d flips change nothing that counts", unseen, len(stored)*8)
}

func TestFaults(t *testing.T) {
	text := samples()["skewed"]
	good := encoder{level: 1}.encode(text, text)
	second := find(nil, good, 0, 0)[1] >> 3
	end := find(nil, good, 0, 0)[2] >> 3
	damage := func(at int64) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	large := make([]byte, 0, 120_000)
	for i := range 40_000 {
		large = append(large, byte(i), byte(i>>8), 'x')
	}
	for _, c := range []struct {
		name   string
		stored []byte
		want   string
		whole  int // blocks delivered
	}{
		{"nothing", nil, "bzip2: at byte 0: the stream is cut: unexpected EOF", 0},
		{"text", []byte("hello, world"), "bzip2: at byte 0: no bzip2 stream begins here", 0},
		{"short text", []byte("BY"), "bzip2: at byte 0: no bzip2 stream begins here", 0},
		{"level 0", []byte("BZh01AY&SY"), "bzip2: at byte 0: no bzip2 stream begins here", 0},
		{"no block", []byte("BZh9 no block"), "bzip2: at byte 4: neither a block nor the end of the stream", 0},
		{"damaged block", damage(second - 20), "bzip2: at byte 4: the checksum of a block does not match its bytes", 0},
		{"damaged checksum of the second block", damage(second + 8), fmt.Sprintf("bzip2: at byte %d: the checksum of a block does not match its bytes", second), 1},
		{"damaged end", damage(end + 8), fmt.Sprintf("bzip2: at byte %d: the checksum of the stream does not match its blocks", end), 2},
		{"rubbish after the end", append(bytes.Clone(good), "rubbish"...), fmt.Sprintf("bzip2: at byte %d: no bzip2 stream begins here", len(good)), 2},
		{"too large for its level", encoder{level: 1}.encode(large), "bzip2: at byte 4: a block of 120000 bytes in a stream of level 1", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			got, err := ours(c.stored)
			if err == nil || err.Error() != c.want || !bytes.Equal(got, bytes.Repeat(text, c.whole)) {
				t.Errorf("%d bytes, then %v\nwant %d bytes, then %s", len(got), err, c.whole*len(text), c.want)
			}
		})
	}
}

// TestSourceFails wants the source's own error after the blocks that came before it.
func TestSourceFails(t *testing.T) {
	text := samples()["skewed"]
	stored := encoder{level: 1}.encode(text, text)
	reason := errors.New("the disk is gone")
	for n := len(stored); n >= 0; n -= 97 {
		r := NewReader(io.MultiReader(iotest.OneByteReader(bytes.NewReader(stored[:n])), iotest.ErrReader(reason)))
		got, err := io.ReadAll(r)
		r.Close()
		if err != reason || !bytes.HasPrefix(append(bytes.Clone(text), text...), got) || n == len(stored) && len(got) != 2*len(text) {
			t.Fatalf("after %d of %d bytes: %d bytes, %v", n, len(stored), len(got), err)
		}
	}
}

func TestClose(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	text := samples()["skewed"]
	stored := encoder{level: 1}.encode(text, text, text, text, text, text, text, text)
	for blocks := range 9 {
		r := NewReader(bytes.NewReader(stored))
		r.Start()
		for range blocks {
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		}
		r.Close()
		r.Close()
	}
	NewReader(bytes.NewReader(stored)).Close() // never started
	silent, writer := io.Pipe()                // closed while a Next waits
	r := NewReader(silent)
	result := make(chan error)
	go func() {
		_, err := r.Next()
		result <- err
	}()
	silent.Close()
	r.Close()
	if err := <-result; err == nil {
		t.Error("Next gives bytes of nothing")
	}
	writer.Close()
}

// TestManyReaders shares the workers.
func TestManyReaders(t *testing.T) {
	text := samples()["skewed"]
	stored := encoder{level: 1}.encode(text, text[1:], text[2:], text[3:])
	want := bytes.Join([][]byte{text, text[1:], text[2:], text[3:]}, nil)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for range 8 {
				if got, err := ours(stored); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			}
		})
	}
	group.Wait()
}

// FuzzReader compares with the standard library. It delivers a block before it
// compares its checksum, and knows no randomised blocks; where a Huffman code is
// incomplete it goes its own way.
func FuzzReader(f *testing.F) {
	texts := samples()
	for _, name := range []string{"one byte", "skewed", "noise", "a block that repeats", "runs of every length"} {
		f.Add(encoder{level: 1}.encode(texts[name][:min(len(texts[name]), 400)]))
	}
	f.Add(encoder{level: 9, rubbish: []uint64{blockMagic, streamMagic}}.encode([]byte("hidden"), []byte("magic")))
	f.Add(encoder{level: 1, randomised: true}.encode(texts["skewed"][:1200]))
	f.Add(append(encoder{level: 1}.encode(), encoder{level: 2}.encode([]byte("second"))...))
	f.Fuzz(func(t *testing.T, stored []byte) {
		want, wantErr := io.ReadAll(io.LimitReader(stdbzip2.NewReader(bytes.NewReader(stored)), 64<<20))
		if len(want) == 64<<20 {
			return
		}
		got, err := ours(stored)
		// The standard library reads on where a code is no code (bzip2(1) calls that
		// damaged); what encoders write, FuzzText holds us to.
		if wantErr == nil && (err == nil && !bytes.Equal(got, want) || err != nil && !bytes.HasPrefix(want, got)) {
			t.Fatalf("%d bytes, %v; want %d bytes", len(got), err, len(want))
		}
		if wantErr != nil && err == nil && !strings.Contains(wantErr.Error(), "randomized") && !strings.Contains(wantErr.Error(), "Huffman") {
			t.Fatalf("%d bytes without an error; want %v", len(got), wantErr)
		}
		if _, ok := errors.AsType[*FormatError](err); err != nil && !ok {
			t.Fatalf("not a FormatError: %v", err)
		}
	})
}

// FuzzText sends texts through our own encoder and back, the oddities of old
// encoders and hidden magic numbers included.
func FuzzText(f *testing.F) {
	for _, text := range samples() {
		f.Add(text[:min(len(text), 600)], uint8(3), uint16(100))
	}
	f.Fuzz(func(t *testing.T, text []byte, options uint8, split uint16) {
		if len(text) == 0 || len(text) > 1500 {
			return
		}
		e := encoder{level: 1 + int(options)%9, randomised: options&16 != 0}
		for range options >> 5 {
			e.rubbish = append(e.rubbish, blockMagic)
		}
		at := int(split) % len(text)
		stored := e.encode(text, text[at:])
		want := append(bytes.Clone(text), text[at:]...)
		if got, err := ours(stored); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes of %d, %v", len(got), len(want), err)
		}
	})
}
