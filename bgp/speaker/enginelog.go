package speaker

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/osrg/gobgp/v3/pkg/log"
)

// engineLog takes GoBGP's log. Nothing in it is news for an operator: the front
// says what happens to a session, in its own words. It goes out as debug, but for
// what GoBGP calls an error, and is listened to for two facts that GoBGP tells
// nowhere else.
type engineLog struct {
	logger  *slog.Logger
	freed   func(addr string) // a deleted neighbour's last goroutine has ended
	refused atomic.Uint64     // UPDATEs that GoBGP's own check has turned into a withdrawal
}

// What GoBGP v3.37.0 writes, and nothing else tells.
const (
	saysFreed   = "freed fsm.h"
	saysRefused = "the received Update message was treated as withdraw"
)

func (l *engineLog) write(level slog.Level, msg string, fields log.Fields) {
	if !l.logger.Enabled(context.Background(), level) {
		return
	}
	args := make([]any, 0, 2*len(fields))
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		args = append(args, k, fmt.Sprint(fields[k]))
	}
	l.logger.Log(context.Background(), level, "gobgp: "+msg, args...)
}

// Panic does not: where GoBGP calls it, it can go on, and its end would be ours.
func (l *engineLog) Panic(msg string, f log.Fields) { l.write(slog.LevelError, msg, f) }

// Fatal does not end the process either.
func (l *engineLog) Fatal(msg string, f log.Fields) { l.write(slog.LevelError, msg, f) }

func (l *engineLog) Error(msg string, f log.Fields) { l.write(slog.LevelWarn, msg, f) }

func (l *engineLog) Warn(msg string, f log.Fields) {
	if msg == saysRefused {
		l.refused.Add(1)
	}
	l.write(slog.LevelDebug, msg, f)
}

func (l *engineLog) Info(msg string, f log.Fields) { l.write(slog.LevelDebug, msg, f) }

func (l *engineLog) Debug(msg string, f log.Fields) {
	if msg == saysFreed && l.freed != nil {
		l.freed(fmt.Sprint(f["Key"]))
	}
}

func (l *engineLog) SetLevel(log.LogLevel) {}

// GetLevel spares GoBGP the making of lines that nobody reads.
func (l *engineLog) GetLevel() log.LogLevel { return log.InfoLevel }
