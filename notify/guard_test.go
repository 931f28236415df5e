package notify

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestGuardKnowsWhatIsInside(t *testing.T) {
	c := DefaultHTTPConfig()
	for addr, ok := range map[string]bool{
		"8.8.8.8": true, "104.16.0.1": true, "2606:4700::1111": true, "2a00:1450::1": true,
		"127.0.0.1": false, "::1": false, "10.1.2.3": false, "172.31.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.100.100.200": false, "192.0.0.192": false, "168.63.129.16": false, "0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false,
		"fd00:ec2::254": false, "fe80::1": false, "ff02::1": false, "::": false, "::ffff:127.0.0.1": false, "::127.0.0.1": false,
		"64:ff9b::7f00:1": false, "64:ff9b::808:808": true, "2002:7f00:1::": false, "2001:0:7f00:1::": false, "fe80::1%lo": false,
	} {
		if got := c.permits(netip.MustParseAddr(addr)); got != ok {
			t.Errorf("%s: permitted %t, want %t", addr, got, ok)
		}
	}
	c.Allow = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	if !c.permits(netip.MustParseAddr("10.1.2.3")) || !c.permits(netip.MustParseAddr("::ffff:10.1.2.3")) || c.permits(netip.MustParseAddr("10.2.0.1")) {
		t.Error("allow: 10.1.0.0/16 is not what is let through")
	}
}

func TestGuardRefusesAfterResolvingAndOnRedirects(t *testing.T) {
	hits := 0
	private := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits++ }))
	defer private.Close()
	port := private.Listener.Addr().(*net.TCPAddr).Port
	for _, target := range []string{private.URL + "/T0/SECRET", strings.Replace(private.URL, "127.0.0.1", "localhost", 1) + "/T0/SECRET"} {
		client := HTTPClient(DefaultHTTPConfig())
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, target, nil)
		_, err := Do(client, req)
		var e *Error
		if !errors.Is(err, ErrRefused) || !errors.As(err, &e) || e.Retry {
			t.Errorf("%s: %v, want a permanent refusal", target, err)
		}
		if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("the error shows the path: %v", err)
		}
	}

	// One loopback address is allowed; it redirects to another one that is not.
	other, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skipf("no second loopback address here: %v", err)
	}
	door := &http.Server{Handler: http.RedirectHandler("http://"+private.Listener.Addr().String()+"/SECRET", http.StatusTemporaryRedirect)}
	go door.Serve(other)
	defer door.Close()
	cfg := DefaultHTTPConfig()
	cfg.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+other.Addr().String(), strings.NewReader("x"))
	if _, err := Do(HTTPClient(cfg), req); !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("redirect to port %d: %v, want a refusal without the path", port, err)
	}
	if hits != 0 {
		t.Errorf("the private server was reached %d times", hits)
	}
	cfg.Allow = append(cfg.Allow, netip.MustParsePrefix("127.0.0.1/32"))
	client := HTTPClient(cfg)
	defer client.CloseIdleConnections()
	req, _ = http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+other.Addr().String(), strings.NewReader("x"))
	resp, err := Do(client, req)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if hits != 1 {
		t.Errorf("allowed, and reached %d times", hits)
	}
}

func TestStatusSaysWhetherToTryAgain(t *testing.T) {
	now := time.Date(2008, 11, 11, 21, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		status int
		header string
		retry  bool
		after  time.Duration
	}{
		{429, "30", true, 30 * time.Second},
		{503, "Tue, 11 Nov 2008 21:02:00 GMT", true, 2 * time.Minute},
		{500, "", true, 0},
		{503, "999999999", true, maxRetryAfter},
		{503, "Tue, 11 Nov 2008 20:00:00 GMT", true, 0},
		{400, "30", false, 0},
		{404, "", false, 0},
		{302, "", false, 0},
	} {
		resp := &http.Response{StatusCode: c.status, Status: http.StatusText(c.status), Header: http.Header{"Retry-After": {c.header}}}
		var e *Error
		if err := CheckStatus(resp, now, "why"); !errors.As(err, &e) || e.Retry != c.retry || e.After != c.after {
			t.Errorf("%d %q: %#v", c.status, c.header, err)
		}
	}
	if err := CheckStatus(&http.Response{StatusCode: 204}, now, ""); err != nil {
		t.Error(err)
	}
}
