package table

import (
	"context"
	"time"

	"depeer/watch/timeline"
)

// Maintain packs what came in, merges, drops and writes checkpoints.
func (s *Store) Maintain(ctx context.Context, now time.Time, r timeline.Retention) (timeline.Maintenance, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	var done timeline.Maintenance
	for {
		n, err := s.pack(ctx, s.sizes.tail)
		if err != nil {
			return done, err
		}
		if n == 0 {
			break
		}
		done.Packed += n
	}
	var err error
	done.Bytes, err = s.d.Size(ctx, s.read)
	return done, err
}
