// Package postgrestest starts a PostgreSQL server of a test's own: real, empty, without a
// network, and gone with the test binary's folder.
package postgrestest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
)

// ErrMissing is what Start gives where no PostgreSQL server is installed.
var ErrMissing = errors.New("no PostgreSQL server is installed (Debian: postgresql)")

// Server is a running server, reached through a socket in its own folder.
type Server struct {
	dir string
	cmd *exec.Cmd
	log string
	n   atomic.Int64 // schemas
}

// Start makes a cluster in a new folder and starts the server on it. It waits until it
// answers, or ctx ends. The caller ends it with Stop.
func Start(ctx context.Context) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "depeer-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, log: filepath.Join(dir, "log")}
	if err := s.start(ctx, bin); err != nil {
		text, _ := os.ReadFile(s.log)
		return nil, errors.Join(fmt.Errorf("start PostgreSQL: %w\n%s", err, text), s.Stop())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, bin string) error {
	who, err := nobody()
	if err != nil {
		return err
	}
	if who != nil {
		if err := os.Chown(s.dir, int(who.Uid), int(who.Gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(s.dir, "data")
	run := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(filepath.Join(bin, name), args...)
		c.Dir = s.dir
		c.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
		c.SysProcAttr = &syscall.SysProcAttr{Credential: who, Pdeathsig: syscall.SIGKILL}
		return c
	}
	out, err := run("initdb", "--pgdata", data, "--username", "depeer", "--auth", "trust", "--encoding", "UTF8", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	log, err := os.Create(s.log)
	if err != nil {
		return err
	}
	defer log.Close()
	c := run("postgres", "-D", data, "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200")
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		return err
	}
	s.cmd = c
	db, err := sql.Open("pgx", s.dsn("public"))
	if err != nil {
		return err
	}
	defer db.Close()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}

func (s *Server) dsn(schema string) string {
	return "postgres://depeer@/postgres?" + url.Values{"host": {s.dir}, "search_path": {schema}}.Encode()
}

// Schema makes a new schema, which is as good as a database and cheaper, and gives the
// connection string that leads into it.
func (s *Server) Schema(ctx context.Context) (string, error) {
	db, err := sql.Open("pgx", s.dsn("public"))
	if err != nil {
		return "", err
	}
	defer db.Close()
	name := "test" + strconv.FormatInt(s.n.Add(1), 10)
	if _, err := db.ExecContext(ctx, "CREATE SCHEMA "+name); err != nil {
		return "", fmt.Errorf("create a schema: %w", err)
	}
	return s.dsn(name), nil
}

// Stop ends the server at once and removes its folder.
func (s *Server) Stop() error {
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(syscall.SIGQUIT) // immediate shutdown: its own children too
		_ = s.cmd.Wait()
	}
	return os.RemoveAll(s.dir)
}

// binaries is the folder of the newest server.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", ErrMissing
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4])
		return n
	}
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(found[len(found)-1]), nil
}

// nobody is who the server runs as: it refuses to run as root.
func nobody() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

var _ = stdlib.GetDefaultDriver // registers "pgx"
