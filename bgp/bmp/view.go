package bmp

import (
	"errors"
	"fmt"
)

// view is one of the tables of a router (RFC 7854 section 2, RFC 8671, RFC 9069).
type view uint8

const (
	noView  view = iota
	inPre        // Adj-RIB-In before the policy
	inPost       // Adj-RIB-In after it
	outPre       // Adj-RIB-Out before the policy
	outPost      // Adj-RIB-Out after it: what the peer is sent
	locRIB
)

var viewNames = [...]string{"none", "adj-rib-in-pre", "adj-rib-in-post", "adj-rib-out-pre", "adj-rib-out", "loc-rib"}

func (v view) String() string { return viewNames[v] }

// group is the views of which one at most counts for each peer.
type group uint8

const (
	groupIn group = iota
	groupOut
	groupLoc
	groups
)

func (v view) group() group {
	switch v {
	case inPre, inPost:
		return groupIn
	case outPre, outPost:
		return groupOut
	}
	return groupLoc
}

// wanted is the view of a group that counts, and the one that counts where a
// router does not send it; noView for none.
type wanted struct{ first, second view }

func parseViews(names []string) (w [groups]wanted, err error) {
	if len(names) == 0 {
		return w, errors.New("is empty: no route would be heard")
	}
	var pre, post bool
	for _, n := range names {
		switch n {
		case "adj-rib-in-pre":
			pre = true
		case "adj-rib-in-post":
			post = true
		case "adj-rib-out":
			w[groupOut] = wanted{outPost, outPre}
		case "loc-rib":
			w[groupLoc] = wanted{locRIB, noView}
		default:
			return w, fmt.Errorf("%q is none of adj-rib-in-pre, adj-rib-in-post, adj-rib-out, loc-rib", n)
		}
	}
	switch {
	case pre:
		w[groupIn] = wanted{inPre, inPost}
	case post:
		w[groupIn] = wanted{inPost, noView}
	}
	if w[groupIn].first != noView && w[groupOut].first != noView {
		return w, errors.New("a view of Adj-RIB-In and adj-rib-out exclude each other: one session would count twice")
	}
	return w, nil
}
