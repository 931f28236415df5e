package notifytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"depeer/notify"
)

// Dial opens connections for a receiver that speaks no HTTP.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Conn runs what holds for every receiver over a connection of its own when there is no
// way there: create gives one for an address.
func Conn(t *testing.T, s Subject, create func(t *testing.T, address string, dial Dial) notify.Receiver) {
	t.Run("no such name", func(t *testing.T) {
		r := create(t, "gone.invalid:25", func(_ context.Context, network, address string) (net.Conn, error) {
			host, _, _ := net.SplitHostPort(address)
			return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
		})
		_, err := r.Send(bounded(t), Blackout())
		s.CheckError(t, err, true)
		if err != nil && !strings.Contains(err.Error(), "no such host") {
			t.Errorf("%v does not say what failed", err)
		}
	})
	t.Run("refused", func(t *testing.T) {
		_, err := create(t, Deaf(t), nil).Send(bounded(t), Blackout())
		s.CheckError(t, err, true)
		if err != nil && !strings.Contains(err.Error(), syscall.ECONNREFUSED.Error()) {
			t.Errorf("%v does not say what failed", err)
		}
	})
	t.Run("not allowed", func(t *testing.T) {
		r := create(t, "inside.invalid:25", func(context.Context, string, string) (net.Conn, error) {
			return nil, fmt.Errorf("connect to 10.0.0.1: %w", notify.ErrRefused)
		})
		_, err := r.Send(bounded(t), Blackout())
		s.CheckError(t, err, false)
	})
}

// Silent runs what holds where the other side is to speak: it hangs, or hangs up.
func Silent(t *testing.T, s Subject, create func(t *testing.T, address string, dial Dial) notify.Receiver) {
	t.Run("hanging", func(t *testing.T) {
		arrived := make(chan struct{}, 1)
		address := listen(t, func(c net.Conn) {
			arrived <- struct{}{}
			_, _ = io.Copy(io.Discard, c)
		})
		ctx, cancel := context.WithCancel(bounded(t))
		go func() {
			<-arrived
			cancel()
		}()
		_, err := create(t, address, nil).Send(ctx, Blackout())
		s.CheckError(t, err, true)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v is not the context's error", err)
		}
	})
	t.Run("hangs up", func(t *testing.T) {
		address := listen(t, func(net.Conn) {})
		_, err := create(t, address, nil).Send(bounded(t), Blackout())
		s.CheckError(t, err, true)
	})
	t.Run("speaks rubbish", func(t *testing.T) {
		address := listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "\x00\xff rubbish "+strings.Join(s.Secrets, " ")+"\r\n") })
		_, err := create(t, address, nil).Send(bounded(t), Blackout())
		s.CheckError(t, err, true)
	})
}

// listen serves each connection with serve until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}
