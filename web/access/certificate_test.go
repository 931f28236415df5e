package access_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"depeer/web/access"
)

// pair makes a certificate of a name, with its key, in PEM.
func pair(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	bits, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: bits})
}

func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	// A new file in the place of the old one, as every tool that renews certificates does it.
	write := func(name string, text []byte) {
		t.Helper()
		if err := os.WriteFile(name+".new", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := pair(t, "one.example")
	write(certFile, cert)
	write(keyFile, key)
	var log bytes.Buffer
	c, err := access.LoadCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	serves := func(name string) {
		t.Helper()
		got, err := c.Get(nil)
		if err != nil || got.Leaf.DNSNames[0] != name || !c.Names(name) || c.Names("other.example") {
			t.Errorf("want %s: %v %v", name, got.Leaf.DNSNames, err)
		}
	}
	serves("one.example")
	cert, key = pair(t, "two.example")
	write(certFile, cert) // and the key is not there yet
	serves("one.example")
	write(keyFile, key)
	serves("two.example")
	if strings.Count(log.String(), "cannot be used") != 1 || !strings.Contains(log.String(), "was read again") {
		t.Errorf("log\n%s", log.String())
	}
	if err := os.Remove(certFile); err != nil {
		t.Fatal(err)
	}
	serves("two.example")
	serves("two.example")
	write(keyFile, []byte("torn"))
	write(certFile, []byte("torn"))
	serves("two.example")
	if strings.Count(log.String(), "cannot be used") > 4 {
		t.Errorf("it is said again and again\n%s", log.String())
	}
	if _, err := access.LoadCertificate(certFile, keyFile, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a torn pair is taken at the start")
	}
}
