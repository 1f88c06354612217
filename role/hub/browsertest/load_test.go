package browsertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// testLoad opens the front page CRESCENDO_LOAD times while the programme runs,
// and logs what that costs. It is a measurement: it fails only if viewers are
// refused or lost.
func testLoad(t *testing.T, p *programme) {
	viewers := os.Getenv("CRESCENDO_LOAD")
	if viewers == "" {
		t.Skip("CRESCENDO_LOAD is not set")
	}
	cmd := exec.Command(filepath.Join(p.bin, "crescendo"), "hub", "load", p.hub, "--viewers", viewers, "--for", "30s", "--json")
	cmd.Stderr = os.Stderr
	report, err := cmd.Output()
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	t.Logf("%s", report)
}
