// Package ui holds the pages: TypeScript in src, built with Vite (make pages) into dist and
// carried in the program. A program that is built by Go alone has none, and says so.
//
// The pages compute nothing: they show what the API answers, and what its stream tells.
package ui

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files are the built pages: index.html, and below assets what it loads, under names that
// change with their content. False where the program was built without them.
func Files() (fs.FS, bool) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, false
	}
	_, err = fs.Stat(files, "index.html")
	return files, err == nil
}
