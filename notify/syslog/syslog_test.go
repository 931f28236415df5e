package syslog

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"depeer/notify"
	"depeer/notify/notifytest"
)

// server is a syslog server. Screen waits for the lines that were sent, for syslog itself
// does not say when they have arrived.
type server struct {
	notifytest.Board
	network, address string

	mu   sync.Mutex
	news *sync.Cond // over mu: a line came, or it is too late
	sent int        // lines that Send has sent; guarded by mu
	came int        // lines that came; guarded by mu
	late bool       // guarded by mu
}

// waiting counts what it sends, so that the server knows what to wait for.
type waiting struct {
	*Receiver
	s *server
}

func (w waiting) Send(ctx context.Context, m *notify.Message) (notify.Receipt, error) {
	receipt, err := w.Receiver.Send(ctx, m)
	if err == nil {
		w.s.mu.Lock()
		w.s.sent++
		w.s.mu.Unlock()
		// Two connections have no order: the next line waits for this one.
		w.s.wait()
	}
	return receipt, err
}

func (s *server) wait() {
	timer := time.AfterFunc(time.Minute, func() {
		s.mu.Lock()
		s.late = true
		s.mu.Unlock()
		s.news.Broadcast()
	})
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.came < s.sent && !s.late {
		s.news.Wait()
	}
	if s.late {
		s.Fault("a line that was sent did not come")
	}
}

func (s *server) Shown() []notifytest.Shown { s.wait(); return s.Board.Shown() }
func (s *server) Faults() []string          { s.wait(); return s.Board.Faults() }

var certificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s.TLS.Certificates[0], pool
})

func serve(t *testing.T, network string) *server {
	t.Helper()
	s := &server{network: network}
	s.news = sync.NewCond(&s.mu)
	var wg sync.WaitGroup
	switch network {
	case "udp", "local":
		kind, address := "udp", "127.0.0.1:0"
		if network == "local" {
			kind, address = "unixgram", filepath.Join(t.TempDir(), "log")
		}
		c, err := net.ListenPacket(kind, address)
		if err != nil {
			t.Fatal(err)
		}
		s.address = c.LocalAddr().String()
		t.Cleanup(func() { _ = c.Close(); wg.Wait() })
		wg.Go(func() {
			buf := make([]byte, 1<<16)
			for {
				n, _, err := c.ReadFrom(buf)
				if err != nil {
					return
				}
				s.Want(n <= 2048, "a datagram of %d bytes", n)
				s.read(string(buf[:n]))
			}
		})
	default:
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.address = l.Addr().String()
		t.Cleanup(func() { _ = l.Close(); wg.Wait() })
		wg.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				wg.Go(func() { s.stream(c) })
			}
		})
	}
	return s
}

// stream reads frames with octet counting.
func (s *server) stream(c net.Conn) {
	defer func() { _ = c.Close() }()
	if s.network == "tls" {
		cert, _ := certificate()
		c = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	in := bufio.NewReader(c)
	for {
		length, err := in.ReadString(' ')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSuffix(length, " "))
		if err != nil || n > 8192 {
			s.Fault("a frame of %q", length)
			return
		}
		frame := make([]byte, n)
		if _, err := io.ReadFull(in, frame); err != nil {
			s.Fault("a frame that breaks off: %v", err)
			return
		}
		s.read(string(frame))
	}
}

// grammar is SYSLOG-MSG of RFC 5424 section 6.
var grammar = regexp.MustCompile(`^<(\d{1,3})>1 (\S+) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) (\[[!-~]+(?: [^ ="\]]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*\]) \x{feff}(.*)$`)

func (s *server) read(line string) {
	m := grammar.FindStringSubmatch(line)
	if m == nil {
		s.Fault("not RFC 5424: %q", line)
	} else {
		pri, _ := strconv.Atoi(m[1])
		s.Want(pri/8 == 16 && pri%8 >= 2, "PRI %d", pri)
		_, err := time.Parse(time.RFC3339Nano, m[2])
		s.Want(err == nil, "TIMESTAMP %s", m[2])
		title, _, _ := strings.Cut(m[8], ";")
		s.mu.Lock()
		n := s.came
		s.mu.Unlock()
		s.Put(fmt.Sprint(n), notifytest.Shown{Title: title, Text: m[8] + m[7]})
	}
	s.mu.Lock()
	s.came++
	s.mu.Unlock()
	s.news.Broadcast()
}

func receiver(t *testing.T, network, address string, dial notifytest.Dial) *Receiver {
	t.Helper()
	c := DefaultConfig()
	c.Network, c.Address, c.Facility = network, address, "local0"
	_, pool := certificate()
	r, err := New(c, Deps{Dial: dial, TLS: &tls.Config{RootCAs: pool}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReceiver(t *testing.T) {
	for _, network := range []string{"udp", "tcp", "tls", "local"} {
		t.Run(network, func(t *testing.T) {
			s := notifytest.Subject{Appends: true, NoClose: true, Doubles: "nobody acknowledges or recognises a line"}
			s.Short = network == "udp" || network == "local"
			s.Open = func(t *testing.T) (notify.Receiver, notifytest.Screen) {
				server := serve(t, network)
				return waiting{receiver(t, network, server.address, nil), server}, server
			}
			notifytest.Contents(t, s)
			if network == "tcp" || network == "tls" {
				create := func(t *testing.T, address string, dial notifytest.Dial) notify.Receiver {
					return receiver(t, network, address, dial)
				}
				notifytest.Conn(t, s, create)
				if network == "tls" {
					notifytest.Silent(t, s, create)
				}
			}
		})
	}
}

func TestUnknownCertificate(t *testing.T) {
	server := serve(t, "tls")
	r := receiver(t, "tls", server.address, nil)
	r.deps.TLS = nil
	_, err := r.Send(t.Context(), notifytest.Blackout())
	notifytest.Subject{}.CheckError(t, err, true)
}

func TestValidate(t *testing.T) {
	want := `address: "x" is no host:port
facility: "kern" is none of user, daemon, local0 to local7
hostname: "a b" has other characters than printable ASCII
app: "" is not 1 to 48 characters of printable ASCII
max_size: 1 is not between 480 and 65000`
	if err := (Config{Network: "udp", Address: "x", Facility: "kern", Hostname: "a b", MaxSize: 1}).Validate(); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	if err := (Config{Network: "pigeon", Facility: "user", App: "a"}).Validate(); err == nil || err.Error() != `network: "pigeon" is none of udp, tcp, tls, local` {
		t.Errorf("%v", err)
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}
