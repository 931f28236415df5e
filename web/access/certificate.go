package access

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
)

// Certificate is a pair of files that is read again when either changes. What cannot be
// read, or does not fit together because one file was written and the other not yet, is
// told once, and the last good pair goes on.
type Certificate struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	seen   [2]fs.FileInfo   // guarded by mu; of the files as they were read last, whether they were good or not
	loaded *tls.Certificate // guarded by mu
}

// LoadCertificate reads the pair.
func LoadCertificate(cert, key string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{cert: cert, key: key, log: log}
	if err := c.refresh(); err != nil {
		return nil, err
	}
	return c, nil
}

// Get serves as tls.Config.GetCertificate.
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed() {
		if err := c.refresh(); err != nil {
			c.log.Error("the certificate has changed and cannot be used: the last one goes on", "err", err)
		} else {
			c.log.Info("the certificate was read again", "cert", c.cert, "until", c.loaded.Leaf.NotAfter)
		}
	}
	return c.loaded, nil
}

// Names reports whether the certificate is for this host.
func (c *Certificate) Names(host string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loaded.Leaf != nil && c.loaded.Leaf.VerifyHostname(host) == nil
}

func (c *Certificate) changed() bool {
	for i, name := range []string{c.cert, c.key} {
		info, err := os.Stat(name)
		was := c.seen[i]
		if err != nil {
			if was == nil {
				continue // and it was told
			}
			return true
		}
		if was == nil || !os.SameFile(was, info) || !was.ModTime().Equal(info.ModTime()) || was.Size() != info.Size() {
			return true
		}
	}
	return false
}

func (c *Certificate) refresh() error {
	for i, name := range []string{c.cert, c.key} {
		info, err := os.Stat(name)
		if err != nil {
			info = nil
		}
		c.seen[i] = info
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", c.cert, c.key, err)
	}
	c.loaded = &pair
	return nil
}
