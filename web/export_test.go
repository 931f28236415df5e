package web

import (
	"io/fs"
	"testing"
)

// Places are the places of the pages, as patterns.
var Places = places

// SetPages lets servers that listen from now on carry these pages, none where files is nil, until the test ends.
func SetPages(t testing.TB, files fs.FS) {
	before := builtPages
	builtPages = func() (fs.FS, bool) { return files, files != nil }
	t.Cleanup(func() { builtPages = before })
}

// SetRoom sets how many bytes of what was told are kept for readers that are behind.
func (s *Server) SetRoom(bytes int) { s.hub.room = bytes }
