package browsertest

import (
	"os"
	"strings"
	"testing"
)

// TestPagesOfARunningHub looks at the pages of a hub that runs already:
// CRESCENDO_HUB=http://127.0.0.1:8080. It presses nothing.
func TestPagesOfARunningHub(t *testing.T) {
	hub := strings.TrimRight(os.Getenv("CRESCENDO_HUB"), "/")
	if hub == "" {
		t.Skip("CRESCENDO_HUB is not set")
	}
	b := startChromium(t, hub)
	t.Run("closer", func(t *testing.T) { testCloser(t, b) })
	t.Run("screenshots", func(t *testing.T) { shoot(t, b) })
	testPages(t, b)
}

// TestRebuiltFromARun compares hubs of a run that has ended: CRESCENDO_RUN is
// its home, CRESCENDO_BIN the folder of the programs.
func TestRebuiltFromARun(t *testing.T) {
	p := &programme{t: t, bin: os.Getenv("CRESCENDO_BIN"), home: os.Getenv("CRESCENDO_RUN")}
	if p.bin == "" || p.home == "" {
		t.Skip("CRESCENDO_RUN or CRESCENDO_BIN is not set")
	}
	testRebuilt(t, p)
}
