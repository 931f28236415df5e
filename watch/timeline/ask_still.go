package timeline

import (
	"context"
	"fmt"
	"time"

	"depeer/watch"
)

// StillOf says of one hoster what StillRouted says of all.
func (a *Asker) StillOf(ctx context.Context, hoster string, at, believed time.Time) (*Still, error) {
	h := a.hoster(hoster)
	if h == nil {
		return nil, fmt.Errorf("%w of %s", ErrNothing, hoster)
	}
	one := *a
	one.Hosters = []watch.Hoster{*h}
	list, err := one.StillRouted(ctx, at, believed)
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}
