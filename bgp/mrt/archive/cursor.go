package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"depeer/bgp"
	"depeer/bgp/fetch"
)

// cursor is how far a collector has been told. It is written after what it stands
// for was accepted.
type cursor struct {
	Version int        `json:"version"`
	Done    time.Time  `json:"done"`  // the last file of updates that is done with begins here
	Named   bool       `json:"named"` // Done is the time of a file, not a place before one
	Until   time.Time  `json:"until"` // all before has been told, or told to be missing
	Owed    time.Time  `json:"owed"`  // something is missing since then: a dump after it is to be read; zero: nothing is
	Lost    bool       `json:"lost"`  // the peers are Unheard
	Peers   []bgp.Peer `json:"peers"` // that were met
}

const cursorVersion = 1

// maxPeers bounds what garbage can make us remember. The largest collector has
// some hundred peers.
const maxPeers = 4096

func (c *cursor) meet(peers []bgp.Peer) {
	for _, p := range peers {
		i, ok := slices.BinarySearchFunc(c.Peers, p, bgp.Peer.Compare)
		if !ok && len(c.Peers) < maxPeers {
			c.Peers = slices.Insert(c.Peers, i, p)
		}
	}
}

func (f *Feed) cursorFile(collector string) string {
	return filepath.Join(f.reader.deps.Dir, f.cfg.Name+"-"+collector+".json")
}

// loadCursor gives the zero cursor where there is none to go on from.
func (f *Feed) loadCursor(collector string) (c cursor, err error) {
	if f.reader.deps.Fresh {
		return c, nil
	}
	b, err := os.ReadFile(f.cursorFile(collector))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err == nil && c.Version != cursorVersion {
		err = fmt.Errorf("version %d is not %d", c.Version, cursorVersion)
	}
	for _, p := range c.Peers {
		if p.Collector != collector || !p.Addr.IsValid() {
			err = fmt.Errorf("peer %v is not of %s", p, collector)
		}
	}
	if err != nil {
		return cursor{}, fmt.Errorf("%s: %w", f.cursorFile(collector), err)
	}
	slices.SortFunc(c.Peers, bgp.Peer.Compare)
	return c, nil
}

func (f *Feed) saveCursor(c *collector) error {
	if err := os.MkdirAll(f.reader.deps.Dir, 0o777); err != nil {
		return err
	}
	c.cur.Version = cursorVersion
	b, err := json.Marshal(&c.cur)
	if err != nil {
		return err
	}
	return fetch.Replace(f.cursorFile(c.name), b)
}
