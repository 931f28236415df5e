package watch

import (
	"fmt"
	"slices"
	"testing"
)

// run lets a level live through counts at seconds, asking it whenever it wants
// to be asked, and gives what it said: "60 fell".
//
// Its seconds are counted from epoch.
type run struct {
	l     level
	b     bounds
	armed bool
	t     int64
	again int64
	said  []string
}

const epoch = 500_000 * 3600

func newRun() *run {
	return &run{b: bounds{lo: 0.05, hi: 0.5, hold: 60, settle: 300, newNormal: 86400, reonset: 900}, armed: true}
}

// base lets the level stand at n long enough to have it as a baseline, and sets the clock to 0.
func (r *run) base(n int) *run {
	r.t = -3600
	return r.to(n).at(0)
}

// at lets time pass until t. What is due at t itself is asked when t's change is in.
func (r *run) at(t int64) *run {
	for r.again != 0 && r.again < t {
		r.t = r.again
		r.ask()
	}
	r.t = t
	return r
}

// to changes the count now.
func (r *run) to(n int) *run {
	r.l.n = n
	r.l.commit(epoch+r.t, r.b)
	r.ask()
	return r
}

func (r *run) ask() {
	v, again := r.l.judge(epoch+r.t, r.b, r.armed)
	if again != 0 {
		again -= epoch
	}
	r.again = again
	if v != nothing {
		r.said = append(r.said, fmt.Sprintf("%d %s", r.t, map[verdict]string{fell: "fell", cameBack: "came back"}[v]))
	}
	if again != 0 && again <= r.t {
		r.again = r.t + 1
	}
}

func (r *run) wants(t *testing.T, said ...string) {
	t.Helper()
	if !slices.Equal(r.said, said) {
		t.Errorf("said %q, not %q", r.said, said)
	}
}

func TestLevel(t *testing.T) {
	tests := []struct {
		name string
		live func(r *run)
		said []string
	}{
		{"steady", func(r *run) { r.base(20).at(100).to(19).at(200).to(11).at(90_000) }, nil},
		{"a fall waits for its hold, from the onset", func(r *run) { r.base(40).to(15).at(50).to(1).at(1000) }, []string{"60 fell"}},
		{"a fall that ends after the hold is confirmed where it ends", func(r *run) { r.base(40).to(15).at(200).to(1).at(1000) }, []string{"200 fell"}},
		{"nothing is left: a second later", func(r *run) { r.base(40).to(0).at(1000) }, []string{"1 fell"}},
		{"nothing is left, after a hunt: a second later", func(r *run) { r.base(40).to(10).at(20).to(0).at(1000) }, []string{"21 fell"}},
		{"nothing was left for less than a second", func(r *run) { r.base(40).to(0).at(1).to(40).at(1000) }, nil},
		{"nothing was left, twice, for less than a second", func(r *run) { r.base(40).to(0).at(1).to(5).at(2).to(0).at(3).to(40).at(1000) }, nil},
		{"a twentieth is left: that is a loss", func(r *run) { r.base(40).to(2).at(1000) }, []string{"60 fell"}},
		{"more than a twentieth is left: that is none", func(r *run) { r.base(40).to(3).at(80_000) }, nil},
		{"half is left: not even a fall", func(r *run) { r.base(40).to(20).at(80_000) }, nil},
		{"a bounce shorter than settle keeps the onset", func(r *run) { r.base(40).to(10).at(30).to(40).at(55).to(1).at(1000) }, []string{"60 fell"}},
		{"a recovery as long as settle is the end of the fall", func(r *run) { r.base(40).to(10).at(30).to(40).at(331).to(1).at(1000) }, []string{"391 fell"}},
		{"back at once where it was", func(r *run) { r.base(40).to(0).at(600).to(40).at(1000) }, []string{"1 fell", "600 came back"}},
		{"back at half of it, when that held", func(r *run) { r.base(40).to(0).at(600).to(20).at(1000) }, []string{"1 fell", "660 came back"}},
		{"not back below half", func(r *run) { r.base(40).to(0).at(600).to(19).at(5000) }, []string{"1 fell"}},
		{"back step by step: since it rose", func(r *run) { r.base(40).to(0).at(600).to(10).at(640).to(20).at(1000) }, []string{"1 fell", "660 came back"}},
		{"flapping", func(r *run) {
			r.base(40)
			for i := range int64(3) {
				r.at(i * 1000).to(0).at(i*1000 + 500).to(40)
			}
			r.at(9000)
		}, []string{"1 fell", "500 came back", "1001 fell", "1500 came back", "2001 fell", "2500 came back"}},
		{"what never held for settle is no baseline", func(r *run) { r.at(1).to(40).at(299).to(0).at(1000).to(40).at(1200).to(0).at(5000) }, nil},
		{"what held for settle is one", func(r *run) { r.at(1).to(40).at(302).to(0).at(1000) }, []string{"303 fell"}},
		{"a peak of a minute does not raise it", func(r *run) { r.base(10).to(40).at(60).to(10).at(600).to(6).at(80_000) }, nil},
		{"a level that nobody would miss", func(r *run) { r.armed = false; r.base(40).to(0).at(1000) }, nil},
		{"a day at a quarter is the new normal", func(r *run) { r.base(40).to(10).at(90_000).to(6).at(100_000) }, nil},
		{"and is missed as such", func(r *run) { r.base(40).to(10).at(90_000).to(0).at(100_000) }, []string{"90001 fell"}},
		{"the baseline is of the last day", func(r *run) { r.base(40).to(24).at(90_000).to(13).at(180_000) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRun()
			tt.live(r)
			r.wants(t, tt.said...)
		})
	}
}

// TestLevelOnset: the onset is where the fall began that was confirmed.
func TestLevelOnset(t *testing.T) {
	tests := []struct {
		name  string
		live  func(r *run)
		onset int64
	}{
		{"where it left the upper half", func(r *run) { r.base(40).at(10).to(30).at(20).to(19).at(40).to(0).at(100) }, 20},
		{"before the bounce", func(r *run) { r.base(40).at(20).to(10).at(30).to(40).at(55).to(1).at(1000) }, 20},
		{"where it goes on after a long pause", func(r *run) { r.base(40).at(20).to(15).at(3000).to(0).at(4000) }, 3000},
	}
	for _, tt := range tests {
		r := newRun()
		tt.live(r)
		if r.l.mode != lost || r.l.onset-epoch != tt.onset {
			t.Errorf("%s: mode %d, onset %d, not %d", tt.name, r.l.mode, r.l.onset-epoch, tt.onset)
		}
	}
}

// TestLevelComposition: peers that leave and join change what there is to see, and
// are no fall and no rise.
func TestLevelComposition(t *testing.T) {
	compose := func(r *run, d, before, after int) {
		r.l.compose(d, epoch+r.t, r.b, before, after)
		r.ask()
	}
	base := func(r *run) int { return int(r.l.base(epoch+r.t, r.b) + 0.5) }
	t.Run("all but one leave", func(t *testing.T) {
		r := newRun().base(40)
		compose(r, -39, 40, 1)
		if r.at(1000).wants(t); base(r) != 1 {
			t.Errorf("baseline %d", base(r))
		}
	})
	t.Run("they leave and come back", func(t *testing.T) {
		r := newRun().base(40)
		compose(r, -30, 40, 10)
		r.at(600)
		compose(r, 30, 10, 40)
		if r.at(1200).wants(t); base(r) != 40 {
			t.Errorf("baseline %d", base(r))
		}
		r.to(0).at(2000).wants(t, "1201 fell")
	})
	t.Run("all leave, and all come back", func(t *testing.T) {
		r := newRun().base(40)
		compose(r, -40, 40, 0)
		r.at(600).wants(t)
		compose(r, 40, 0, 40)
		r.at(1200).wants(t)
	})
	t.Run("what is lost stays lost when half of the peers leave", func(t *testing.T) {
		r := newRun().base(40).to(0).at(100)
		compose(r, 0, 40, 20)
		r.at(600).to(20).at(700).wants(t, "1 fell", "600 came back")
	})
	t.Run("the first peers make the baseline at once", func(t *testing.T) {
		r := newRun()
		r.t = 100
		compose(r, 12, 0, 12)
		if base(r) != 12 {
			t.Errorf("baseline %d", base(r))
		}
		r.at(110).to(0).at(200).wants(t, "111 fell")
	})
}

func TestLevelSeed(t *testing.T) {
	r := newRun().base(40).to(0).at(100)
	r.l.n = 7
	r.l.seed(epoch + 100)
	if got := r.l.base(epoch+100, r.b); got != 7 || r.l.mode != steady {
		t.Errorf("baseline %v, mode %d", got, r.l.mode)
	}
	r.to(0).at(200).wants(t, "1 fell", "101 fell")
}

// TestJoiningOneByOne: the baseline of those who join is theirs, neither more by
// what others of them have lost in the same second nor by what rounding leaves.
func TestJoiningOneByOne(t *testing.T) {
	for _, routes := range []int{1, 2, 3, 7} {
		for _, lose := range []int{0, 1} {
			r := newRun()
			for i := range 60 {
				r.l.compose(routes, epoch, r.b, i*routes, (i+1)*routes)
				r.l.n -= lose
				r.l.commit(epoch, r.b)
			}
			if got := r.l.base(epoch, r.b); got != float64(60*routes) {
				t.Errorf("60 peers with %d routes each, of which each loses %d: the baseline is %v", routes, lose, got)
			}
		}
	}
}
