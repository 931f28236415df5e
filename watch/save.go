package watch

import (
	"fmt"
	"io"
	"sync"

	"depeer/bgp/snapshot"
)

// meaning is to be raised when a field of what is saved keeps its name and its
// type and comes to mean something else: the schema notices all other changes.
const meaning = 1

// What is saved of a detector, and of an intake with its detector: all that they
// reach. Left out are what is computed anew when it is wanted (what paths say of the
// hosters, the index of paths) and scratch space.
var (
	savedDetector = sync.OnceValues(schemaOf[Detector])
	savedIntake   = sync.OnceValues(schemaOf[Intake])
)

func schemaOf[T any]() (*snapshot.Schema[T], error) {
	return snapshot.Of[T](meaning,
		(*edge)(nil), (*prefix)(nil), (*hoster)(nil), (*origin)(nil), (*incident)(nil), (*feed)(nil), (*eyes)(nil), (*reference)(nil))
}

// Save writes all that the intake and its detector know. What [LoadIntake] makes of
// it goes on as this one does, byte for byte, on whatever it is told then: updates of
// seconds that are not over, and events, revisions and gaps that nobody has taken
// yet, are saved too. The intake must not be used meanwhile, and is as it was
// afterwards.
func (i *Intake) Save(w io.Writer) error {
	s, err := savedIntake()
	if err != nil {
		return err
	}
	if err := s.Write(w, i); err != nil {
		return fmt.Errorf("save the judgement: %w", err)
	}
	return nil
}

// LoadIntake reads what [Intake.Save] wrote, to the end of r: with the watchlist and
// the policy that were in force then ([Detector.Rewatch] puts others in force). The
// error wraps a [*snapshot.SchemaError] where another version of the program wrote
// it, and [snapshot.ErrDamaged] where it is cut or damaged; then what was observed has
// to be observed again.
func LoadIntake(r io.Reader) (*Intake, error) {
	s, err := savedIntake()
	if err != nil {
		return nil, err
	}
	i, err := s.Read(r)
	if err != nil {
		return nil, fmt.Errorf("load the judgement: %w", err)
	}
	if err := i.d.loaded(); err != nil {
		return nil, err
	}
	return i, nil
}

// Save is [Intake.Save] for a detector that is fed without an intake.
func (d *Detector) Save(w io.Writer) error {
	s, err := savedDetector()
	if err != nil {
		return err
	}
	if err := s.Write(w, d); err != nil {
		return fmt.Errorf("save the detector: %w", err)
	}
	return nil
}

// LoadDetector is [LoadIntake] for what [Detector.Save] wrote.
func LoadDetector(r io.Reader) (*Detector, error) {
	s, err := savedDetector()
	if err != nil {
		return nil, err
	}
	d, err := s.Read(r)
	if err != nil {
		return nil, fmt.Errorf("load the detector: %w", err)
	}
	if err := d.loaded(); err != nil {
		return nil, err
	}
	return d, nil
}

// loaded makes what was left out.
func (d *Detector) loaded() error {
	if d == nil || d.table == nil {
		return fmt.Errorf("load the detector: %w: there is none in it", snapshot.ErrDamaged)
	}
	d.table.Reindex()
	return nil
}
