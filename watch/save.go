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

// Save writes all that the intake and its detector know. What [LoadIntake] makes of
// it goes on as this one does, byte for byte, on whatever it is told then: updates of
// seconds that are not over, and events, revisions and gaps that nobody has taken
// yet, are saved too. Left out is what is computed anew when it is wanted (what paths
// say of the hosters, the index of paths) and scratch space. The intake must not be
// used meanwhile, and is as it was afterwards.
func (i *Intake) Save(w snapshot.Writer) error { return savedIntake.Write(w, i) }

// LoadIntake reads what [Intake.Save] wrote, to the end of r: with the watchlist and
// the policy that were in force then ([Intake.Rewatch] puts others in force). The
// error is a [*snapshot.SchemaError] where another version of the program wrote it,
// and wraps [snapshot.ErrDamaged] where it is cut or damaged: then what was observed
// has to be observed again.
func LoadIntake(r snapshot.Reader) (*Intake, error) { return savedIntake.Read(r) }

// Save is [Intake.Save] for a detector that is fed without an intake.
func (d *Detector) Save(w snapshot.Writer) error { return savedDetector.Write(w, d) }

// LoadDetector is [LoadIntake] for what [Detector.Save] wrote.
func LoadDetector(r snapshot.Reader) (*Detector, error) { return savedDetector.Read(r) }

// Restored refuses an intake without what no intake is without.
func (i *Intake) Restored() bool { return i.d != nil && i.sources != nil }

// Restored refuses a detector without what no detector is without.
func (d *Detector) Restored() bool { return d.table != nil && d.prefixes != nil }
