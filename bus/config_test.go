package bus

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

func decodeConfig(t *testing.T, text string) (Config, error) {
	t.Helper()
	cfg := DefaultConfig()
	err := yaml.UnmarshalWithOptions([]byte(text), &cfg, yaml.Strict())
	return cfg, err
}

func TestDefaultsAreValid(t *testing.T) {
	cfg := DefaultConfig()
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

func TestConfigFromYAML(t *testing.T) {
	cfg, err := decodeConfig(t, `
embedded: {dir: /var/lib/depeer/bus, listen: "127.0.0.1:4222", sync: 250ms}
auth: {token: s3cret}
streams:
  routes: {max_age: 48h, max_bytes: 2GiB, duplicates: 5m, discard: new}
  events: {max_bytes: 1048576}
patience: 1m
`)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.Embedded = Embedded{Dir: "/var/lib/depeer/bus", Listen: "127.0.0.1:4222", Sync: 250 * time.Millisecond}
	want.Auth.Token = "s3cret"
	want.Streams.Routes = Limits{48 * time.Hour, 2 << 30, 5 * time.Minute, DiscardNew}
	want.Streams.Events.MaxBytes = 1 << 20
	want.Patience = time.Minute
	if fmt.Sprintf("%+v", cfg) != fmt.Sprintf("%+v", want) || cfg.Auth.Token != want.Auth.Token {
		t.Errorf("got  %+v\nwant %+v", cfg, want)
	}
	for _, bad := range []string{"embeded: {}", "streams: {routes: {max_bytes: 2GB}}", "streams: {routes: {max_bytes: 9000000TiB}}", "streams: {routes: {max_bytes: -1}}"} {
		if _, err := decodeConfig(t, bad); err == nil {
			t.Errorf("%s: accepted", bad)
		}
	}
}

func TestRefusedConfigs(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"both":            {`{embedded: {dir: a}, urls: ["nats://h:4222"]}`, "bus.embedded: has no use beside bus.urls: give one of them"},
		"scheme":          {`urls: ["http://u:pw@h:4222"]`, `bus.urls[0]: "http" is neither nats, tls, ws nor wss (http://u:xxxxx@h:4222)`},
		"no url":          {`urls: ["nats://u:pw@h:%zz"]`, "bus.urls[0]: is no URL (want nats://host:port)"},
		"no host":         {`urls: ["nats://:4222"]`, "bus.urls[0]: nats://:4222 names no host"},
		"off loopback":    {`embedded: {listen: "0.0.0.0:4222"}`, "bus.embedded.listen: 0.0.0.0:4222 is not a loopback address: set bus.auth, or anybody could publish alarms"},
		"every address":   {`embedded: {listen: ":4222"}`, "bus.embedded.listen: :4222 is not a loopback address: set bus.auth, or anybody could publish alarms"},
		"in the clear":    {`{embedded: {listen: "192.0.2.1:4222"}, auth: {token: t}}`, "bus.embedded.listen: 192.0.2.1:4222 is not a loopback address: set bus.tls, or the password travels in the clear"},
		"no port":         {`embedded: {listen: "127.0.0.1"}`, `bus.embedded.listen: "127.0.0.1" is no address (want host:port)`},
		"half a user":     {`auth: {user: u}`, "bus.auth: user and password go together"},
		"two ways":        {`auth: {user: u, password: p, token: t}`, "bus.auth: give a user with a password, or a token, not both"},
		"credentials":     {`auth: {credentials: f}`, "bus.auth.credentials: is for bus.urls only"},
		"half a pair":     {`tls: {cert: f}`, "bus.tls: cert and key go together"},
		"replicas":        {`replicas: 3`, "bus.replicas: 3 copies need bus.urls: the embedded server is one"},
		"too many":        {`{urls: ["nats://h:1"], replicas: 7}`, "bus.replicas: 7 is not between 0 and 5"},
		"several at once": {`{pending: 0, timeout: 0s, patience: -1s}`, "bus.pending: 0 is less than 1\nbus.timeout: 0s is not positive\nbus.patience: -1s is less than timeout (0s)"},
		"unbounded age":   {`streams: {events: {max_age: 0s}}`, "bus.streams.events.max_age: 0s is less than 1s: a stream has to be bounded\nbus.streams.events.duplicates: 24h0m0s is more than max_age (0s)"},
		"unbounded bytes": {`streams: {routes: {max_bytes: 0}}`, "bus.streams.routes.max_bytes: 0 is less than 1MiB: a stream has to be bounded"},
		"window":          {`streams: {routes: {duplicates: 0s}}`, "bus.streams.routes.duplicates: 0s is less than 100ms"},
		"discard":         {`streams: {routes: {discard: all}}`, `bus.streams.routes.discard: "all" is neither "old" nor "new"`},
		"sync":            {`embedded: {sync: -1s}`, "bus.embedded.sync: -1s is negative"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := decodeConfig(t, c.text)
			if err != nil {
				t.Fatal(err)
			}
			if err := cfg.Validate(); err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestSecretsStaySecret(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Auth = Auth{User: "u", Password: "hunter2", Token: "hunter2"}
	js, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ym, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("config", "auth", cfg.Auth, "password", cfg.Auth.Password)
	for _, text := range []string{string(js), string(ym), log.String(), fmt.Sprintf("%v %+v %#v %s %q", cfg, cfg, cfg, cfg.Auth.Token, cfg.Auth.Token)} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "secret") {
			t.Errorf("%s", text)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "1500": 1500, " 512 KiB": 512 << 10, "256MiB": 256 << 20, "3GiB": 3 << 30, "1TiB": 1 << 40} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q: %d, %v", text, s, err)
		}
		var back Size
		if err := back.UnmarshalText([]byte(s.String())); err != nil || back != s {
			t.Errorf("%q is written as %s and read as %d (%v)", text, s, back, err)
		}
	}
}

func FuzzSize(f *testing.F) {
	f.Add("1GiB")
	f.Add("-5 KiB")
	f.Fuzz(func(t *testing.T, text string) {
		var s, back Size
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := back.UnmarshalText([]byte(s.String())); err != nil || back != s || s < 0 {
			t.Fatalf("%q is %d, written as %s, read as %d (%v)", text, s, s, back, err)
		}
	})
}
