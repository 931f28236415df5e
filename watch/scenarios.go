package watch

import "embed"

// Scenarios are the reconstructions and the invented stories that the judgement is
// tested with, as files that anybody can read (see bgptest.ReadFile). The program
// carries them to show itself with; nothing in this package reads them.
//
//go:embed testdata/*.txtar
var Scenarios embed.FS
