package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnitsNameCommandsThatExist holds the systemd units to the command line:
// a unit that names a command or a flag we do not have would restart for ever.
func TestUnitsNameCommandsThatExist(t *testing.T) {
	units, err := filepath.Glob("../../deploy/systemd/*.service")
	if err != nil || len(units) < 5 {
		t.Fatalf("units: %v, %v", units, err)
	}
	for _, path := range units {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		words := strings.Fields(execStart(string(data)))
		if len(words) < 3 {
			t.Errorf("%s starts nothing", path)
			continue
		}
		if filepath.Base(words[0]) != "crescendo" {
			continue // the ledger's command line is another program's
		}
		c := cli{}
		cmd, rest, err := c.root().Find(words[1:])
		if err != nil || cmd.RunE == nil || !cmd.HasParent() {
			t.Errorf("%s starts %q, which is no command: %v", path, words[1:], err)
			continue
		}
		for _, word := range rest {
			name, isFlag := strings.CutPrefix(word, "--")
			if name, _, _ := strings.Cut(name, "="); isFlag && cmd.Flags().Lookup(name) == nil && cmd.InheritedFlags().Lookup(name) == nil {
				t.Errorf("%s: %s has no flag --%s", path, cmd.CommandPath(), name)
			}
		}
	}
}

func execStart(unit string) string {
	for line := range strings.Lines(unit) {
		if command, ok := strings.CutPrefix(line, "ExecStart="); ok {
			return command
		}
	}
	return ""
}
