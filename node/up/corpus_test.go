package up_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A corpus that cannot be read or used ends the run before there is a ledger:
// nobody has paid into a programme that has nothing to train on.
func TestUnusableCorpusStartsNothing(t *testing.T) {
	bin := os.Getenv("CRESCENDO_BIN")
	if bin == "" {
		t.Skip("CRESCENDO_BIN is not set")
	}
	empty, secret := t.TempDir(), t.TempDir()
	unreadable := filepath.Join(secret, "a.txt")
	if err := os.WriteFile(unreadable, []byte(strings.Repeat("text ", 10_000)), 0o000); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"missing": filepath.Join(empty, "none"), "empty": empty, "unreadable": secret} {
		if name == "unreadable" && os.Geteuid() == 0 {
			continue // the superuser reads everything
		}
		home := t.TempDir()
		out, err := exec.Command(filepath.Join(bin, "crescendo"), "up", "--program", "../../programs/smoke.yaml", "--exit",
			"--corpus", dir, "--home", home).CombinedOutput()
		var failed *exec.ExitError
		if !errors.As(err, &failed) || failed.ExitCode() != 1 {
			t.Errorf("%s: %v", name, err)
		}
		if said := "\n" + string(out); !strings.Contains(said, "\nerror: ") || !strings.Contains(said, "corpus") || !strings.Contains(said, "\nhint: give ") {
			t.Errorf("%s: said\n%s", name, said)
		}
		if _, err := os.Stat(filepath.Join(home, "ledger", "data")); err == nil {
			t.Errorf("%s: there is a ledger all the same", name)
		}
	}
}
