package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestExitCodes: what an error is decides the code, wherever it is wrapped.
func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err   error
		begun bool
		code  int
		text  string
	}{
		{errors.New("disk full"), true, exitFailed, "depeer: disk full\n"},
		{errors.New("unknown flag: --x"), false, exitUsage, "depeer: unknown flag: --x\n"},
		{fmt.Errorf("scan: %w", usagef("--from %s", "x")), true, exitUsage, "depeer: scan: --from x\n"},
		{Faults{{File: "x.yaml", Line: 3, Path: "policy.hold", Text: "bad"}, {File: "x.yaml", Text: "worse"}}, true, exitUsage, "x.yaml:3: policy.hold: bad\nx.yaml: worse\n"},
		{fmt.Errorf("read: %w", context.Canceled), true, exitFailed, "depeer: interrupted\n"},
	} {
		var out bytes.Buffer
		if code := complain(&out, c.err, c.begun); code != c.code || out.String() != c.text {
			t.Errorf("%v: code %d, %q; want %d, %q", c.err, code, out.String(), c.code, c.text)
		}
	}
}

// TestInterrupted: a command ends when its context does.
func TestInterrupted(t *testing.T) {
	files := dumped(t, world)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errOut bytes.Buffer
	code := run(ctx, append([]string{"watchlist", "generate", "--asn", "26780"}, files...), strings.NewReader(""), &out, &errOut)
	if code != exitFailed || out.Len() > 0 || errOut.String() != "depeer: interrupted\n" {
		t.Errorf("code %d, %q, %q", code, out.String(), errOut.String())
	}
}

// TestEveryCommandIsListed: each has a purpose under which help shows it, and a
// sentence about itself.
func TestEveryCommandIsListed(t *testing.T) {
	root, _ := rootCommand()
	for _, c := range root.Commands() {
		if c.Name() != "help" && c.Name() != "completion" && (c.GroupID == "" || c.Short == "") {
			t.Errorf("%s: group %q, %q", c.Name(), c.GroupID, c.Short)
		}
	}
}
