package watch

import "depeer/bgp/snapshot"

// meaning is to be raised when a field of what is saved keeps its name and its
// type and comes to mean something else: the schema notices all other changes.
const meaning = 1

var (
	savedIntake   = schemaOf[Intake]()
	savedDetector = schemaOf[Detector]()
)

func schemaOf[T any]() *snapshot.Schema[T] {
	return snapshot.MustOf[T](meaning,
		(*edge)(nil), (*prefix)(nil), (*hoster)(nil), (*origin)(nil), (*incident)(nil), (*feed)(nil), (*eyes)(nil), (*reference)(nil))
}

// Saved is how an intake is saved, with its detector: all that they know. The
// intake that is read goes on as the one that was written would have, byte for
// byte, on whatever it is told then: updates of seconds that are not over, and
// events, revisions and gaps that nobody has taken yet, are saved too. It watches by
// the list and the policy that were in force; [Intake.Rewatch] puts others in force.
//
// Left out is what is computed anew when it is wanted (what paths say of the
// hosters, the index of paths) and scratch space.
//
// While it is written, the intake must not be used. Where nothing could be read (see
// [snapshot.SchemaError] and [snapshot.ErrDamaged]), what was observed has to be
// observed again.
func Saved() *snapshot.Schema[Intake] { return savedIntake }

// SavedDetector is [Saved] for a detector that is fed without an intake.
func SavedDetector() *snapshot.Schema[Detector] { return savedDetector }

// Restored refuses an intake without what no intake is without.
func (i *Intake) Restored() bool { return i.d != nil && i.sources != nil }

// Restored refuses a detector without what no detector is without.
func (d *Detector) Restored() bool { return d.table != nil && d.prefixes != nil }
