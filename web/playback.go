package web

import (
	"context"
	"net/http"
	"time"

	"depeer/watch"
	"depeer/web/access"
)

// Playback is a story of the past that is played: a demonstration has one, a depeer that
// watches has none. Its methods are called from many goroutines.
type Playback interface {
	// Playing says where the story is.
	Playing() Playing
	// Play does what is wished. Its errors wrap ErrRefused.
	Play(w Wish) error
}

// Playing is a story that is played, and where it is.
type Playing struct {
	Title     string     `json:"title"`
	About     string     `json:"about" doc:"what happened, in a few sentences, for somebody who never heard of it"`
	Note      string     `json:"note" doc:"what it is: that it is a reconstruction, and what of it is invented"`
	From      time.Time  `json:"from"`
	To        time.Time  `json:"to"`
	Now       time.Time  `json:"now" doc:"the time of the story"`
	Speed     float64    `json:"speed" doc:"seconds of the story in a second, where nothing happens and nothing is to be read; 0: as fast as it goes"`
	Speeds    []float64  `json:"speeds" doc:"that may be chosen"`
	Paused    bool       `json:"paused"`
	Begun     bool       `json:"begun" doc:"somebody has pressed play: who comes now comes in the middle of it"`
	Over      bool       `json:"over"`
	Chapters  []Chapter  `json:"chapters" doc:"what happened as others published it, in order of time; depeer was not told of it"`
	Headlines []Headline `json:"headlines" doc:"what depeer said last, newest first"`
	Watch     string     `json:"watch" doc:"the command that watches hosters of one's own"`
}

// Chapter is a part of the story, as it was published.
type Chapter struct {
	At     time.Time `json:"at"`
	Title  string    `json:"title"`
	Text   string    `json:"text" doc:"what happened, in a sentence or two"`
	Source string    `json:"source" doc:"how it is known: published, or assumed, and what of it"`
	Look   string    `json:"look,omitempty" doc:"where to look on the pages meanwhile"`
}

// Headline is something that depeer said.
type Headline struct {
	At       time.Time      `json:"at"`
	Kind     string         `json:"kind" enum:"incident,migration"`
	Word     string         `json:"word" doc:"class of the incident, kind of the migration"`
	Severity watch.Severity `json:"severity"`
	Text     string         `json:"text"`
	Incident string         `json:"incident,omitempty"`
	Hoster   string         `json:"hoster"`
	Family   string         `json:"family,omitempty"`
}

// Wish is how somebody wants the story to go on. What is missing stays as it is.
type Wish struct {
	Paused *bool      `json:"paused,omitempty"`
	Speed  *float64   `json:"speed,omitempty" minimum:"0" maximum:"1000000" doc:"seconds of the story in a second; 0: as fast as it goes"`
	To     *time.Time `json:"to,omitempty" doc:"run at once to this moment, which is not over: everything up to it is judged, and nothing waited for"`
}

const noPlayback = "this depeer watches what happens now: nothing is played. depeer demo plays a story"

func (s *Server) addPlayback() {
	type nothing struct{}
	register(s, reading("/playback", "playback", tagBoard, "Where the story is that is played", "A demonstration plays one."), func(context.Context, *nothing) (*body[Playing], error) {
		if s.deps.Playback == nil {
			return nil, absent(noPlayback)
		}
		return &body[Playing]{s.deps.Playback.Playing()}, nil
	})
	register(s, operation{method: http.MethodPost, path: "/playback", id: "play", summary: "Pause the story, go on, faster, or at once to a later moment", tag: tagBoard, needs: access.Operator},
		func(_ context.Context, in *struct{ Body Wish }) (*body[Playing], error) {
			if s.deps.Playback == nil {
				return nil, absent(noPlayback)
			}
			if err := s.deps.Playback.Play(in.Body); err != nil {
				return nil, err
			}
			return &body[Playing]{s.deps.Playback.Playing()}, nil
		})
}
