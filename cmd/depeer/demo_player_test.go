package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"depeer/web"
)

// told is a story that says something at given moments, and notes when it came to each by the clock of today.
type toldStory struct {
	says    []time.Time
	began   time.Time
	reached time.Time       // of the story
	heard   []time.Duration // of today, since it began
	steps   int
}

func (s *toldStory) step(now time.Time) (said bool, err error) {
	s.steps++
	for len(s.says) > 0 && !s.says[0].After(now) {
		s.says, said = s.says[1:], true
		s.heard = append(s.heard, time.Since(s.began))
	}
	s.reached = now
	return said, nil
}

var storyBegin = time.Date(2008, time.November, 11, 18, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return storyBegin.Add(d) }

func newToldStory(speed float64, length time.Duration, chapters []time.Duration, says ...time.Duration) (*toldStory, *player) {
	s := &toldStory{began: time.Now()}
	for _, d := range says {
		s.says = append(s.says, after(d))
	}
	var list []web.Chapter
	for _, d := range chapters {
		list = append(list, web.Chapter{At: after(d), Title: d.String()})
	}
	return s, newPlayer(storyBegin, after(length), list, speed, s.step)
}

// Whatever the story's own time between two sentences, each can be read, and nobody waits for long.
func TestPlayerLetsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		s, p := newToldStory(usualSpeed, 27*day, []time.Duration{0, 2 * time.Hour}, 3*time.Hour, 3*time.Hour+25*time.Second, 3*time.Hour+50*time.Second, 4*time.Hour, 2*day, 9*day, 23*day)
		if err := p.pass(t.Context(), p.to); err != nil {
			t.Fatal(err)
		}
		last := time.Duration(0)
		for i, at := range s.heard {
			if pause := at - last; pause < 1900*time.Millisecond || pause > 16*time.Second {
				t.Errorf("sentence %d after %s", i, pause)
			}
			last = at
		}
		if len(s.heard) != 7 || !s.reached.Equal(p.to) {
			t.Errorf("%d sentences, up to %s", len(s.heard), s.reached)
		}
		if whole := time.Since(s.began); whole > 75*time.Second {
			t.Errorf("it took %s", whole)
		}
	})
}

func TestPlayerSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := func(speed float64) time.Duration {
			s, p := newToldStory(speed, 48*time.Hour, nil, time.Hour, 20*time.Hour)
			if err := p.pass(t.Context(), p.to); err != nil {
				t.Fatal(err)
			}
			return time.Since(s.began)
		}
		usual, twice, none := took(usualSpeed), took(2*usualSpeed), took(0)
		if half := usual / 2; twice < half-time.Second || twice > half+time.Second {
			t.Errorf("at twice the speed it takes %s instead of %s", twice, usual)
		}
		if none != 0 {
			t.Errorf("as fast as it goes is %s", none)
		}
	})
}

// A wish is heard in the middle of a long wait.
func TestPlayerPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newToldStory(usualSpeed, 48*time.Hour, nil)
		done := make(chan error, 1)
		go func() { done <- p.pass(t.Context(), p.to) }()
		time.Sleep(welcome + 3*time.Second)
		if err := p.play(web.Wish{Paused: new(true)}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		x := p.where()
		if !x.Paused || !x.Now.After(storyBegin) || !x.Now.Before(p.to) {
			t.Fatalf("%+v", x)
		}
		steps := s.steps
		time.Sleep(time.Hour)
		if y := p.where(); !y.Now.Equal(x.Now) || s.steps != steps {
			t.Errorf("paused, it goes on from %s to %s", x.Now, y.Now)
		}
		// Paused, it still goes to where it is wanted, and stays there.
		if err := p.play(web.Wish{To: new(after(30 * time.Hour))}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if y := p.where(); !y.Now.Equal(after(30*time.Hour)) || !y.Paused {
			t.Errorf("it is at %s", y.Now)
		}
		for _, wrong := range []time.Duration{0, 30 * time.Hour, 49 * time.Hour} {
			if err := p.play(web.Wish{To: new(after(wrong))}); !errors.Is(err, web.ErrRefused) {
				t.Errorf("to %s: %v", wrong, err)
			}
		}
		began := time.Now()
		if err := p.play(web.Wish{Paused: new(false), Speed: new(0.0)}); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil || time.Since(began) > time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		p.end()
		if err := p.play(web.Wish{Paused: new(true)}); !errors.Is(err, web.ErrRefused) || !p.where().Over || p.where().Paused {
			t.Errorf("over: %v, %+v", err, p.where())
		}
	})
}

func TestPlayerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, paused := range []bool{false, true} {
			_, p := newToldStory(usualSpeed, 480*time.Hour, nil)
			p.paused = paused
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- p.pass(ctx, p.to) }()
			time.Sleep(time.Second)
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		}
		broken := errors.New("disk full")
		p := newPlayer(storyBegin, after(time.Hour), nil, 0, func(time.Time) (bool, error) { return false, broken })
		if err := p.pass(t.Context(), p.to); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
	})
}

// A chapter is something to read, too, and a speed that is not among those to choose from can be told.
func TestPlayerChapters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var plain, told time.Duration
		for _, chapters := range [][]time.Duration{nil, {10 * time.Hour, 20 * time.Hour, 30 * time.Hour}} {
			s, p := newToldStory(5000, 48*time.Hour, chapters)
			if err := p.pass(t.Context(), p.to); err != nil {
				t.Fatal(err)
			}
			plain, told = told, time.Since(s.began)
			if x := p.where(); !slices.Contains(x.Speeds, 5000) || !slices.IsSorted(x.Speeds) || len(x.Chapters) != len(chapters) {
				t.Errorf("%+v", x)
			}
		}
		if told < plain+3*reading/2 {
			t.Errorf("three chapters: %s, without: %s", told, plain)
		}
	})
}

// What the pages tell by themselves lies within the story, in order, and says how it is known.
func TestDemoChapters(t *testing.T) {
	for i, c := range demoChapters {
		if c.Title == "" || c.Text == "" || c.Source == "" || c.Look == "" {
			t.Errorf("%d: %+v", i, c)
		}
		if i > 0 && !c.At.After(demoChapters[i-1].At) {
			t.Errorf("%s is not after %s", c.At, demoChapters[i-1].At)
		}
	}
}
