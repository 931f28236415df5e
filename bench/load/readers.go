package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"depeer/web"
)

// told is what the readers of the stream together were told.
type told struct {
	Readers int                 `json:"readers"`
	Entries int                 `json:"entries"` // of the log, by all readers
	Octets  int                 `json:"octets"`
	Status  int                 `json:"status"` // changes of the board
	Cut     int                 `json:"cut"`    // readers that were sent away or lost their connection
	Wrong   []string            `json:"wrong"`  // what was missing, twice, or out of order
	Begin   web.Position        `json:"begin"`  // the last at which any reader began,
	End     web.Position        `json:"end"`    // and the first at which any ended
	Seen    map[string][3]int64 `json:"seen"`   // by id of an event: when the first and the last reader had it (Unix nanoseconds), and how many had it
}

// gathered is what readers add up to.
type gathered struct {
	mu sync.Mutex
	told
}

// readers reads the stream so many times until the standard input ends, and prints what was told.
func readers(ctx context.Context, url string, n int) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	x := &gathered{told: told{Readers: n, Seen: map[string][3]int64{}}}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.DisableCompression = n, true
	client := &http.Client{Transport: transport}
	var all, ready sync.WaitGroup
	ready.Add(n)
	for range n {
		all.Go(func() { x.read(ctx, client, url, ready.Done) })
	}
	ready.Wait()
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
	stop()
	all.Wait()
	return json.NewEncoder(os.Stdout).Encode(x.told)
}

// read is one reader. begun is called once when it reads, or cannot.
func (x *gathered) read(ctx context.Context, client *http.Client, url string, begun func()) {
	var once sync.Once
	defer once.Do(begun)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		x.wrong("%v", err)
		return
	}
	resp, err := client.Do(r)
	if err != nil {
		x.wrong("%v", err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		x.wrong("the stream answers %s", resp.Status)
		return
	}
	in := bufio.NewReaderSize(resp.Body, 4096)
	var at web.Position
	var kind, id string
	for {
		line, err := in.ReadSlice('\n')
		if err == bufio.ErrBufferFull { // of data only the beginning is looked at
			more, e := in.ReadBytes('\n')
			line, err = append(bytes.Clone(line), more...), e
		}
		if err != nil {
			break
		}
		switch {
		case bytes.HasPrefix(line, []byte("event: ")):
			kind, id = string(bytes.TrimSpace(line[7:])), ""
		case bytes.HasPrefix(line, []byte("id: ")):
			id = string(bytes.TrimSpace(line[4:]))
		case bytes.HasPrefix(line, []byte("data: ")):
			if at = x.take(kind, id, at, line[6:]); kind == "hello" {
				once.Do(begun)
			}
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if ctx.Err() == nil {
		x.Cut++
	}
	for k, n := range at {
		if have, ok := x.End[k]; !ok || n < have {
			if x.End == nil {
				x.End = web.Position{}
			}
			x.End[k] = n
		}
	}
}

// take takes one message, and gives where the reader is then.
func (x *gathered) take(kind, id string, at web.Position, data []byte) web.Position {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.Octets += len(data)
	switch kind {
	case "status":
		x.Status++
		return at
	case "cut", "reset", "again":
		x.Wrong = append(x.Wrong, kind+" "+string(data))
		return at
	}
	now, err := web.ParsePosition(id)
	if err != nil {
		x.Wrong = append(x.Wrong, fmt.Sprintf("%s %q: %v", kind, id, err))
		return at
	}
	if kind == "hello" {
		for k, n := range now {
			if x.Begin == nil {
				x.Begin = web.Position{}
			}
			x.Begin[k] = max(x.Begin[k], n)
		}
		return now
	}
	x.Entries++
	for k, n := range now {
		if want := at[k]; n != want && (k != kind || n != want+1) || k == kind && n == want {
			x.Wrong = append(x.Wrong, fmt.Sprintf("%s %s after %s", kind, now, at))
		}
	}
	if kind == "event" {
		if _, rest, ok := bytes.Cut(data, []byte(`"id":"`)); ok {
			name, _, _ := bytes.Cut(rest, []byte(`"`))
			t, seen := time.Now().UnixNano(), x.Seen[string(name)]
			if seen[2] == 0 {
				seen[0] = t
			}
			seen[1] = t
			seen[2]++
			x.Seen[string(name)] = seen
		}
	}
	return now
}

func (x *gathered) wrong(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.Wrong = append(x.Wrong, fmt.Sprintf(format, args...))
}
