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
	testPages(t, startChromium(t, hub))
}
