package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Told is one thing of the stream.
type Told struct {
	Type string // "event", "incident", "gap", "note", "status", "change"; "hello", "reset"
	ID   string // of the last thing that had one: where to go on
	Data []byte // JSON
}

const (
	maxLine  = 8 << 20 // of the stream
	pauseMin = time.Second
	pauseMax = 30 * time.Second
)

// Stream tells what happens, until ctx ends (nil), tell fails (its error), or the server
// refuses (a *Problem). It begins behind the id that is given, "" for from now on, and
// where the connection is lost it comes again and goes on: nothing is missed. filter is that of GET stream.
func (c *Client) Stream(ctx context.Context, after string, filter url.Values, tell func(Told) error) error {
	pause := pauseMin
	for {
		began := time.Now()
		err := c.stream(ctx, &after, filter, tell)
		var said *Problem
		var own *stop
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &own):
			return own.error
		case errors.As(err, &said) && said.Status != http.StatusTooManyRequests && said.Status < 500:
			return err
		}
		if time.Since(began) > pauseMax {
			pause = pauseMin
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		pause = min(2*pause, pauseMax)
	}
}

// stop is an error of tell.
type stop struct{ error }

func (c *Client) stream(ctx context.Context, after *string, filter url.Values, tell func(Told) error) error {
	query := url.Values{}
	for k, v := range filter {
		query[k] = v
	}
	if *after != "" {
		query.Set("after", *after)
	}
	resp, err := c.send(ctx, http.MethodGet, base+"/stream", query, nil, "text/event-stream")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return readEvents(resp.Body, func(t Told) error {
		if t.ID != "" {
			*after = t.ID
		} else {
			t.ID = *after
		}
		if t.Type == "cut" || t.Type == "again" {
			return nil // the server closes, and we come again
		}
		if err := tell(t); err != nil {
			return &stop{err}
		}
		return nil
	})
}

// readEvents reads server-sent events (WHATWG HTML, section 9.2.6).
func readEvents(r io.Reader, tell func(Told) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	var t Told
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			if len(t.Data) > 0 {
				if err := tell(t); err != nil {
					return err
				}
			}
			t = Told{}
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			t.Type = value
		case "id":
			if !strings.Contains(value, "\x00") {
				t.ID = value
			}
		case "data":
			if len(t.Data) > 0 {
				t.Data = append(t.Data, '\n')
			}
			if t.Data = append(t.Data, value...); len(t.Data) > maxLine {
				return fmt.Errorf("an event of more than %d bytes", maxLine)
			}
		}
	}
	return lines.Err()
}
