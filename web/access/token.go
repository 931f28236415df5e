package access

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// tokenPrefix lets people, and programs that look for leaked secrets, see what it is.
const tokenPrefix = "depeer_"

// TokenFile is the name of the file of tokens, within run.state.
const TokenFile = "tokens.json"

const maxTokens = 10_000

// Token is what is kept of an API token: all but the token.
type Token struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"` // whose, or what for
	Scope   Scope     `json:"scope"`
	Hash    string    `json:"hash"` // SHA-256 of the token, in hex
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// Tokens is a file of tokens. Several processes may use it at once.
type Tokens struct {
	path string

	mu     sync.Mutex
	info   fs.FileInfo      // guarded by mu; of the file that was read
	byHash map[string]Token // guarded by mu
	err    error            // guarded by mu; why it cannot be read
}

// NewTokens uses the file of that path; one that is not there holds no tokens.
func NewTokens(path string) *Tokens { return &Tokens{path: path} }

// ErrNoToken says that there is no token of an id.
var ErrNoToken = errors.New("no token has this id")

// Create makes a token. The secret is nowhere else: it cannot be shown again.
func (t *Tokens) Create(name string, scope Scope, now time.Time, life time.Duration) (secret string, token Token, err error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "" || len(name) > 100 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", Token{}, fmt.Errorf("a token needs a name of 1 to 100 letters: whose it is, or what for")
	case !scope.Known():
		return "", Token{}, fmt.Errorf("%q is no scope (viewer, operator, admin)", scope)
	case life <= 0 || life > 10*366*24*time.Hour:
		return "", Token{}, fmt.Errorf("a token lasts more than nothing and at most ten years, not %s", life)
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails, or ends the program
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(raw)
	hash := hashOf(secret)
	now = now.UTC().Truncate(time.Second)
	token = Token{ID: hash[:8], Name: name, Scope: scope, Hash: hash, Created: now, Expires: now.Add(life)}
	err = t.change(func(all []Token) ([]Token, error) {
		if len(all) >= maxTokens {
			return nil, fmt.Errorf("%s has %d tokens already: revoke some", t.path, len(all))
		}
		return append(all, token), nil
	})
	if err != nil {
		return "", Token{}, err
	}
	return secret, token, nil
}

// Revoke takes a token away, by its id.
func (t *Tokens) Revoke(id string) (token Token, err error) {
	return token, t.change(func(all []Token) ([]Token, error) {
		i := slices.IndexFunc(all, func(x Token) bool { return x.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("%s: %w", id, ErrNoToken)
		}
		token = all[i]
		return slices.Delete(all, i, i+1), nil
	})
}

// List gives all tokens, by time of creation.
func (t *Tokens) List() ([]Token, error) {
	all, _, err := t.read()
	slices.SortFunc(all, func(a, b Token) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return all, err
}

// Find gives the token of a secret that holds at that moment. An error says that the
// file cannot be read: then nobody has a token.
func (t *Tokens) Find(secret string, now time.Time) (Token, bool, error) {
	return t.FindHash(hashOf(secret), now)
}

// FindHash is Find by what is kept of the secret: whether a token that was shown still holds.
func (t *Tokens) FindHash(hash string, now time.Time) (Token, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	info, err := os.Stat(t.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.info, t.byHash, t.err = nil, nil, nil
	case err != nil:
		t.info, t.byHash, t.err = nil, nil, err
	case t.info == nil || !os.SameFile(info, t.info) || !info.ModTime().Equal(t.info.ModTime()) || info.Size() != t.info.Size() || info.Mode() != t.info.Mode():
		var all []Token
		all, t.info, t.err = t.read()
		t.byHash = make(map[string]Token, len(all))
		for _, x := range all {
			t.byHash[x.Hash] = x
		}
	}
	// A map tells by its timing at most something about hashes of what does not fit.
	token, ok := t.byHash[hash]
	if !ok || !now.Before(token.Expires) {
		return Token{}, false, t.err
	}
	return token, true, t.err
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

type tokenFile struct {
	Version int     `json:"version"`
	Tokens  []Token `json:"tokens"`
}

func (t *Tokens) read() ([]Token, fs.FileInfo, error) {
	f, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, info, fmt.Errorf("%s: others may read or write it (mode %04o): chmod 600", t.path, info.Mode().Perm())
	}
	var x tokenFile
	if err := json.NewDecoder(f).Decode(&x); err != nil {
		return nil, info, fmt.Errorf("%s: %w", t.path, err)
	}
	if x.Version != 1 {
		return nil, info, fmt.Errorf("%s: version %d is none that this depeer can read", t.path, x.Version)
	}
	for _, k := range x.Tokens {
		if len(k.Hash) != 2*sha256.Size || !k.Scope.Known() || k.Expires.IsZero() {
			return nil, info, fmt.Errorf("%s: token %q has no hash, no scope or no end", t.path, k.ID)
		}
	}
	return x.Tokens, info, nil
}

// change reads, changes and writes the file, one process at a time. A crash leaves the
// old or the new one.
func (t *Tokens) change(f func([]Token) ([]Token, error)) error {
	if err := os.MkdirAll(filepath.Dir(t.path), 0o755); err != nil {
		return err
	}
	unlock, err := lockedfile.MutexAt(t.path + ".lock").Lock()
	if err != nil {
		return err
	}
	defer unlock()
	all, _, err := t.read()
	if err != nil {
		return err
	}
	if all, err = f(all); err != nil {
		return err
	}
	body, err := json.MarshalIndent(tokenFile{1, all}, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(t.path), TokenFile+".*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(body, '\n'))
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), t.path)
}
