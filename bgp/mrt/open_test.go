package mrt

import (
	"bytes"
	stdbzip2 "compress/bzip2"
	stdgzip "compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"depeer/bgp/bgptest/realdata"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"
)

// openTestData finds the recorded archives, which are not part of the repository.
func openTestData(t testing.TB) string {
	t.Helper()
	dir, err := realdata.Find("mrt")
	if err != nil {
		t.Skip(err)
	}
	return dir
}

// someBytes compress, but not to nothing.
func someBytes(n int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.ExpFloat64() * 20)
	}
	return b
}

func gzipped(t testing.TB, parts ...[]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, p := range parts {
		w := stdgzip.NewWriter(&out)
		w.Write(p)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func bzipped(t testing.TB, parts ...[]byte) []byte {
	t.Helper()
	tool, err := exec.LookPath("bzip2")
	if err != nil {
		t.Skip("no bzip2 command to make test input with")
	}
	var out bytes.Buffer
	for _, p := range parts {
		c := exec.Command(tool, "-9", "-c")
		c.Stdin, c.Stdout = bytes.NewReader(p), &out
		if err := c.Run(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func zstded(t testing.TB, parts ...[]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, p := range parts {
		out.Write([]byte("\x50\x2a\x4d\x18\x04\x00\x00\x00abcd")) // a skippable frame, as pzstd writes
		w, err := zstd.NewWriter(&out)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(p)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func tempFile(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExpand(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b/updates.2", "b/updates.1", "a/x.gz", ".hidden/y", "a/.z.part", "c"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "c"), filepath.Join(dir, "d")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	in := func(names ...string) (paths []string) {
		for _, n := range names {
			paths = append(paths, filepath.Join(dir, n))
		}
		return paths
	}
	got, err := Expand([]string{"-", dir, "https://example.net/updates.gz", filepath.Join(dir, "c")})
	if err != nil {
		t.Fatal(err)
	}
	want := append([]string{"-"}, in("a/x.gz", "b/updates.1", "b/updates.2", "c", "d")...)
	want = append(want, "https://example.net/updates.gz", filepath.Join(dir, "c"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, err := Expand([]string{filepath.Join(dir, "loop")}); err != nil || len(got) != 5 {
		t.Errorf("a folder given as a link: %q, %v", got, err)
	}
}

func TestExpandReportsEveryFault(t *testing.T) {
	empty := t.TempDir()
	_, err := Expand([]string{"no/such/file", "-", "-", "", empty})
	want := "no/such/file: no such file or directory\n-: standard input can be read only once\nan input name is empty\n" +
		empty + ": the folder holds no files"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the reason is lost")
	}
}

func TestOpenInputFormats(t *testing.T) {
	one, two := someBytes(3<<20, 1), someBytes(100_000, 2)
	both := append(bytes.Clone(one), two...)
	mrt2005 := append([]byte("BZh9\x00\x10\x00\x01\x00\x00"), one...) // a record of 2005-04-11 12:06:17
	for _, c := range []struct {
		name         string
		stored, want []byte
	}{
		{"plain", both, both},
		{"plain, a time like the magic of bzip2", mrt2005, mrt2005},
		{"plain, shorter than a magic", []byte("abc"), []byte("abc")},
		{"empty", nil, nil},
		{"gzip", gzipped(t, one), one},
		{"gzip, two members", gzipped(t, one, two), both},
		{"gzip of nothing", gzipped(t, nil), nil},
		{"bzip2", bzipped(t, one), one},
		{"bzip2, two streams", bzipped(t, one, two), both},
		{"bzip2 of nothing", bzipped(t, nil), nil},
		{"zstd, two frames", zstded(t, one, two), both},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			path := tempFile(t, "archive", c.stored)
			checkRead(t, path, c.want, func(in *Input) ([]byte, error) { return io.ReadAll(in) })
			checkRead(t, path, c.want, func(in *Input) ([]byte, error) {
				var got []byte
				for small := make([]byte, 7); ; { // Next after a Read that left something behind
					n, err := in.Read(small)
					got = append(got, small[:n]...)
					b, err2 := in.Next()
					got = append(got, b...)
					if err == nil {
						err = err2
					}
					if err == io.EOF {
						return got, nil
					} else if err != nil {
						return got, err
					}
				}
			})
		})
	}
}

func checkRead(t *testing.T, path string, want []byte, read func(*Input) ([]byte, error)) {
	t.Helper()
	in, err := OpenInput(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := read(in)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes, %v; want %d bytes", len(got), err, len(want))
	}
	st, _ := os.Stat(path)
	if in.Size() != st.Size() || in.Consumed() != st.Size() {
		t.Errorf("size %d, consumed %d, want %d", in.Size(), in.Consumed(), st.Size())
	}
	if n, err := in.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
}

// TestOpenInputFaults wants everything that precedes a fault, then an error that names the place.
func TestOpenInputFaults(t *testing.T) {
	data := someBytes(3<<20, 3)
	cut := func(b []byte) []byte { return b[:len(b)-len(b)/5] }
	flip := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)*4/5] ^= 0x10
		return b
	}
	for _, c := range []struct {
		name   string
		stored []byte
		atom   int // what a format may hold back before a fault: its block, or its window
		cut    bool
	}{
		{"gzip cut", cut(gzipped(t, data)), 1 << 16, true},
		{"gzip damaged", flip(gzipped(t, data)), 1 << 20, false},
		{"bzip2 cut", cut(bzipped(t, data)), 1 << 20, true},
		{"bzip2 damaged", flip(bzipped(t, data)), 1 << 20, false},
		{"zstd cut", cut(zstded(t, data)), 1 << 18, true},
		{"gzip and rubbish", append(gzipped(t, data), "rubbish rubbish rubbish"...), 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			path := tempFile(t, "archive", c.stored)
			in, err := OpenInput(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			got, err := io.ReadAll(in)
			e, ok := errors.AsType[*InputError](err)
			if !ok {
				t.Fatalf("got %d bytes and %v", len(got), err)
			}
			if errors.Is(err, io.ErrUnexpectedEOF) != c.cut {
				t.Errorf("cut: %v, got %v", c.cut, err)
			}
			if e.Name != path || e.Decompressed != int64(len(got)) || e.Compressed > int64(len(c.stored)) || e.Compressed < int64(len(c.stored))/2 {
				t.Errorf("%d bytes stored, %d read, then %v", len(c.stored), len(got), err)
			}
			if _, again := in.Next(); again != err {
				t.Errorf("then again %v", again)
			}
			if c.name == "gzip damaged" { // DEFLATE has no checksum before the end of the member
				return
			}
			if least := len(data)*4/5 - 2*c.atom - len(data)/20; len(got) < least || !bytes.Equal(got, data[:len(got)]) {
				t.Errorf("%d bytes before the fault, want the first %d at least", len(got), least)
			}
		})
	}
}

func TestOpenInputRefuses(t *testing.T) {
	for _, c := range []struct {
		name, content, want string
	}{
		{"updates.gz", "", "at byte 0 (byte 0 decompressed): the file is empty: unexpected EOF"},
		{"updates.bz2", "", "at byte 0 (byte 0 decompressed): the file is empty: unexpected EOF"},
		{"updates.xz", "\xfd7zXZ\x00\x00\x04", "at byte 0 (byte 0 decompressed): xz is not read: decompress it first"},
		{"updates.zip", "PK\x03\x04\x14\x00", "at byte 0 (byte 0 decompressed): a zip folder is not read: unpack it first"},
		{"updates.gz", "\x1f\x8b\x08\x00", "unexpected EOF"},
	} {
		path := tempFile(t, c.name, []byte(c.content))
		in, err := OpenInput(t.Context(), path)
		if err == nil {
			in.Close()
			t.Errorf("%s is opened", c.name)
			continue
		}
		if !strings.HasPrefix(err.Error(), path+": ") || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("got %v, want ... %s", err, c.want)
		}
	}
	if _, err := OpenInput(t.Context(), t.TempDir()); err == nil || !strings.HasSuffix(err.Error(), ": is a folder") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := OpenInput(t.Context(), "no/such/file"); !errors.Is(err, fs.ErrNotExist) || err.Error() != "no/such/file: no such file or directory" {
		t.Errorf("a missing file: %v", err)
	}
}

func TestCloseEndsWhatRuns(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	data := someBytes(8<<20, 4)
	for name, stored := range map[string][]byte{"gzip": gzipped(t, data), "bzip2": bzipped(t, data), "zstd": zstded(t, data), "plain": data} {
		path := tempFile(t, name, stored)
		for _, read := range []int{0, 1, 1 << 20} {
			in, err := OpenInput(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(io.Discard, in, int64(read)); err != nil {
				t.Error(err)
			}
			if err := in.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestCancelEndsAReadThatWaits covers a source that never gives anything.
func TestCancelEndsAReadThatWaits(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for name, start := range map[string][]byte{"plain": []byte("0123456789"), "gzip": gzipped(t, someBytes(1<<20, 5))[:5000], "bzip2": bzipped(t, someBytes(4<<20, 5))[:2<<20]} {
		ctx, cancel := context.WithCancel(t.Context())
		silent, writer := io.Pipe()
		in, err := newInput(ctx, name, -1, detach(io.MultiReader(bytes.NewReader(start), silent)))
		if err != nil {
			t.Fatal(err)
		}
		result := make(chan error)
		go func() {
			_, err := io.Copy(io.Discard, in)
			result <- err
		}()
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		writer.Close() // lets the read that stayed behind end
	}
}

// breakingServer serves content and closes each connection after the next of the given numbers of bytes.
func breakingServer(t *testing.T, content []byte, etag string, breaks []int) *httptest.Server {
	t.Helper()
	request := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if etag != "" {
			w.Header().Set("ETag", etag)
		}
		if etag == "changes" {
			w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprint(request)))
		}
		if request < len(breaks) {
			w = &brokenWriter{w, breaks[request]}
		}
		request++
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(s.Close)
	return s
}

type brokenWriter struct {
	http.ResponseWriter
	left int
}

func (b *brokenWriter) Write(p []byte) (int, error) {
	if len(p) > b.left {
		b.ResponseWriter.Write(p[:b.left])
		b.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	b.left -= len(p)
	return b.ResponseWriter.Write(p)
}

func TestOpenInputResumes(t *testing.T) {
	data := someBytes(2<<20, 6)
	stored := gzipped(t, data)
	for _, c := range []struct {
		name   string
		etag   string
		breaks []int
		want   string
	}{
		{"unbroken", `"v1"`, nil, ""},
		{"broken thrice", `"v1"`, []int{200_000, 1, 100_000}, ""},
		{"broken without end", `"v1"`, []int{300_000, 0, 0, 0, 0, 0, 0}, "the connection broke, and 3 tries to resume failed: unexpected EOF"},
		{"changed meanwhile", "changes", []int{300_000}, "cannot resume at byte 300000: the file changed, or the server knows no ranges"},
		{"nothing to resume by", "", []int{300_000}, "the server gives nothing to resume by: unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			server := breakingServer(t, stored, c.etag, c.breaks)
			defer server.Close()
			f := &fetcher{client: server.Client(), idle: time.Minute, tries: 3}
			in, err := f.open(t.Context(), server.URL+"/updates.gz")
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			got, err := io.ReadAll(in)
			if !bytes.Equal(got, data[:len(got)]) || len(got) < len(data)/20 {
				t.Errorf("%d bytes, which are not those sent", len(got))
			}
			if c.want == "" {
				if err != nil || len(got) != len(data) || in.Size() != int64(len(stored)) {
					t.Errorf("%d bytes of %d, size %d, %v", len(got), len(data), in.Size(), err)
				}
			} else if err == nil || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestOpenInputNamesTheStatusAndHidesThePassword(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	address := strings.Replace(server.URL, "http://", "http://user:hush@", 1) + "/updates.gz"
	_, err := OpenInput(t.Context(), address)
	want := strings.Replace(address, "hush", "xxxxx", 1) + ": the server answers 404 Not Found"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestIdleBodyIsABrokenOne has a server fall silent in mid-body.
func TestIdleBodyIsABrokenOne(t *testing.T) {
	data := someBytes(100_000, 7)
	request := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		request++
		if request == 1 {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			w.Write(data[:50_000])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	defer server.Close()
	f := &fetcher{client: server.Client(), idle: 20 * time.Millisecond, tries: 3}
	in, err := f.open(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestPrefetchKeepsTheOrder(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var names []string
	for i := range 7 {
		names = append(names, tempFile(t, fmt.Sprint(i), gzipped(t, []byte(fmt.Sprint("archive ", i)))))
	}
	names[3] = "no/such/file"
	q := Prefetch(t.Context(), names, 2)
	var got []string
	for range 6 {
		in, err := q.Next()
		if err != nil {
			got = append(got, err.Error())
			continue
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Error(err)
		}
		in.Close()
		got = append(got, string(b))
	}
	want := []string{"archive 0", "archive 1", "archive 2", "no/such/file: no such file or directory", "archive 4", "archive 5"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	q.Close() // with one opened and not asked for
	if _, err := q.Next(); err != io.EOF {
		t.Errorf("after Close: %v", err)
	}
}

// TestOpenInputReadsTheRecordings compares every recorded archive with the standard library's decoders.
func TestOpenInputReadsTheRecordings(t *testing.T) {
	names, err := Expand([]string{openTestData(t)})
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, name := range names {
		if strings.Contains(name, "routeviews2") && !strings.Contains(name, "20080220.21") {
			continue
		}
		stored, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var want []byte
		var wantErr error
		switch filepath.Ext(name) {
		case ".gz":
			z, err := stdgzip.NewReader(bytes.NewReader(stored))
			if err != nil {
				t.Fatal(err)
			}
			want, wantErr = io.ReadAll(z)
		case ".bz2":
			want, wantErr = io.ReadAll(stdbzip2.NewReader(bytes.NewReader(stored)))
		default:
			want = stored
		}
		in, err := OpenInput(t.Context(), name)
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := io.ReadAll(in)
		in.Close()
		read++
		if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) {
			t.Errorf("%s: %d bytes, %v; want %d bytes, %v", name, len(got), err, len(want), wantErr)
		}
	}
	if read < 50 {
		t.Errorf("only %d archives found", read)
	}
}
