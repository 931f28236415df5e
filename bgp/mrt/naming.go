package mrt

import (
	"context"
	"encoding/binary"
	"io"
	"path/filepath"
	"slices"
)

// name tells which collector each archive is of, where its path does not say.
// A peer is known by its collector too, so a table must not pass for another
// collector's than the updates that it is meant to go before:
//
//   - What the configuration says holds.
//   - Where updates (or whatever is no table) lie in one folder alone, there is one
//     collector, whatever folder the tables are in. If one path among the others
//     names a collector and is of the other sort, it is that one.
//   - Else each folder is a collector.
func nameArchives(ctx context.Context, list []archive, configured string) {
	var unknown []*archive
	named := map[string]bool{} // collectors that paths name
	tables, others := false, false
	for i := range list {
		a := &list[i]
		if a.collector == "" {
			unknown = append(unknown, a)
		}
	}
	if len(unknown) == 0 {
		return
	}
	for i := range list {
		if a := &list[i]; a.collector != "" {
			named[a.collector] = true
			isRIB := a.kind == "rib" || a.kind == "" && isTable(ctx, a.name)
			tables, others = tables || isRIB, others || !isRIB
		}
	}
	folders := map[string]bool{}
	hasTables := false
	for _, a := range unknown {
		if a.kind == "" && (len(unknown) > 1 || len(named) > 0) && isTable(ctx, a.name) {
			a.kind = "rib"
		}
		if a.kind == "rib" {
			hasTables = true
		} else {
			folders[filepath.Dir(a.name)] = true
		}
	}
	for _, a := range unknown {
		switch {
		case configured != "":
			a.collector = configured
		case len(named) == 1 && len(folders) <= 1 && (!others && !hasTables || !tables && len(folders) == 0):
			for c := range named {
				a.collector = c
			}
		case len(folders) == 1:
			for f := range folders {
				a.collector = folderName(filepath.Join(f, "x"))
			}
		default:
			a.collector = folderName(a.name)
		}
	}
}

// isTable looks at the first record of an archive whose name does not tell what
// is in it. Addresses and standard input are not opened for that.
func isTable(ctx context.Context, name string) bool {
	if name == "-" || isURL(name) {
		return false
	}
	in, err := OpenInput(ctx, name)
	if err != nil {
		return false // it will be told when it is read
	}
	defer in.Close()
	var head [12]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return false
	}
	return slices.Contains([]uint16{typeTableDump, typeTableDumpV2}, binary.BigEndian.Uint16(head[4:]))
}
