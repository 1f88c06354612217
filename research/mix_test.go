package research_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/research"
)

func TestWeightOf(t *testing.T) {
	mix := []research.MixWeight{
		{Suffix: ".md", PerMille: 3000}, {Suffix: "_test.go", PerMille: 0},
		{Prefix: "doc/", PerMille: 500}, {Prefix: "src/", PerMille: 2000}, {Prefix: "src/net", PerMille: 7},
	}
	if err := research.CheckData(mix, research.Filter{}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]uint32{
		"test/chan.go":         1000, // nothing names it
		"README.md":            3000,
		"doc/go1.html":         500,
		"doc/a.md":             500, // the longer name
		"src/fmt/print.go":     2000,
		"src/a.md":             2000, // doc/ and src/ have four bytes
		"src/fmt/fmt_test.go":  0,
		"src/net/ip.go":        7,
		"src/network.go":       7, // a prefix is no folder
		"src/net/http_test.go": 0, // eight bytes, the prefix seven
		"":                     1000,
	} {
		if got := research.WeightOf(mix, path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	equal := []research.MixWeight{{Suffix: "b/", PerMille: 2}, {Prefix: "a/", PerMille: 1}}
	if got := research.WeightOf(equal, "a/b/"); got != 1 {
		t.Errorf("of names of equal length the suffix counts: %d", got)
	}
}

// The order of a mix does not matter to what it says.
func TestWeightDependsOnNoOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[ab/]{1,3}`)
		seen := map[research.MixWeight]bool{}
		var mix []research.MixWeight
		for range rapid.IntRange(0, research.MaxMix).Draw(t, "entries") {
			w := research.MixWeight{Prefix: name.Draw(t, "name")}
			if rapid.Bool().Draw(t, "suffix") {
				w.Prefix, w.Suffix = "", w.Prefix
			}
			if !seen[w] {
				seen[w] = true
				w.PerMille = rapid.Uint32Max(5000).Draw(t, "weight")
				mix = append(mix, w)
			}
		}
		path := rapid.StringMatching(`[ab/]{0,6}`).Draw(t, "path")
		want := research.WeightOf(mix, path)
		if got := research.WeightOf(rapid.Permutation(mix).Draw(t, "order"), path); got != want {
			t.Fatalf("%v, %q: %d in one order, %d in another", mix, path, want, got)
		}
		named := slices.ContainsFunc(mix, func(w research.MixWeight) bool {
			return strings.HasPrefix(path, w.Prefix) && strings.HasSuffix(path, w.Suffix)
		})
		if !named && want != research.StandardWeight {
			t.Fatalf("%v, %q: %d, but nothing names it", mix, path, want)
		}
	})
}

func TestFilter(t *testing.T) {
	for _, c := range []struct {
		filter        research.Filter
		bytes, tokens uint64
		want          bool
	}{
		{research.Filter{}, 1, 1 << 40, true},
		{research.Filter{MinBytes: 10}, 9, 1, false},
		{research.Filter{MinBytes: 10}, 10, 1, true},
		{research.Filter{MaxBytes: 10}, 10, 1, true},
		{research.Filter{MaxBytes: 10}, 11, 1, false},
		{research.Filter{MaxTokensPerKiB: 512}, 2048, 1024, true},
		{research.Filter{MaxTokensPerKiB: 512}, 2048, 1025, false},
		{research.Filter{MinBytes: 1, MaxBytes: 9, MaxTokensPerKiB: 512}, 5, 2, true},
	} {
		if got := c.filter.Admits(c.bytes, c.tokens); got != c.want {
			t.Errorf("%+v, %d bytes, %d tokens: %v", c.filter, c.bytes, c.tokens, got)
		}
	}
}

func TestDataThatIsRefused(t *testing.T) {
	for want, change := range map[string]func(*research.Recipe){
		"mix: 9 entries":            func(r *research.Recipe) { r.Mix = make([]research.MixWeight, 9) },
		"sorted":                    func(r *research.Recipe) { r.Mix[0].Prefix = "z" },
		"suffixes, then prefixes":   func(r *research.Recipe) { r.Mix = append(r.Mix, research.MixWeight{Suffix: ".md"}) },
		"and differ":                func(r *research.Recipe) { r.Mix[1] = r.Mix[0] },
		"entry 1: want a prefix or": func(r *research.Recipe) { r.Mix[0].Prefix = "" },
		"entry 2: want a prefix or": func(r *research.Recipe) { r.Mix[1].Suffix = ".go" },
		"printable":                 func(r *research.Recipe) { r.Mix[0].Prefix = "a\n" },
		"1 to 128":                  func(r *research.Recipe) { r.Mix[0].Prefix = strings.Repeat("a", 129) },
		"per mille":                 func(r *research.Recipe) { r.Mix[0].PerMille = 1_000_001 },
		"less than min-bytes":       func(r *research.Recipe) { r.Filter = research.Filter{MinBytes: 10, MaxBytes: 9} },
		"filter.max-bytes":          func(r *research.Recipe) { r.Filter.MinBytes = 1 << 21 },
		"filter.max-tokens":         func(r *research.Recipe) { r.Filter.MaxTokensPerKiB = 1 << 13 },
	} {
		r := sample()
		change(&r)
		if err := r.Check(); crescendo.CodeOf(err) != crescendo.CodeInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	r := sample()
	r.Mix = append([]research.MixWeight{{Suffix: ".md", PerMille: 0}}, r.Mix...)
	r.Filter = research.Filter{MinBytes: 10, MaxBytes: 10, MaxTokensPerKiB: 1 << 12}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
}
