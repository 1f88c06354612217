package crescendo_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// claimed finds what documents name as the test of a claim: `folder TestName`,
// `folder FuzzName`, or a transcript's path.
var (
	claimedTest       = regexp.MustCompile("`([a-z/]+) ((?:Test|Fuzz)[A-Za-z0-9]+)`")
	claimedTranscript = regexp.MustCompile("`([a-z/]+/testdata/[a-z0-9_./]+)`")
)

// A document that says what holds names the test of it, and the test exists.
func TestClaimsHaveTests(t *testing.T) {
	for _, doc := range []string{"docs/powers.md", "docs/bad-input.md", "docs/threat-model.md"} {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		claims := claimedTest.FindAllStringSubmatch(string(text), -1)
		for _, c := range claims {
			if !declared(t, c[1], c[2]) {
				t.Errorf("%s names %s in %s, which does not exist", doc, c[2], c[1])
			}
		}
		for _, c := range claimedTranscript.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(c[1]); err != nil {
				t.Errorf("%s names %s, which does not exist", doc, c[1])
			}
		}
		if len(claims) == 0 {
			t.Errorf("%s names no tests", doc)
		}
	}
}

// declared reports whether a folder's tests declare a function.
func declared(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(src), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
