package assign

import (
	"slices"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var seed = crescendo.Hash{1, 2, 3}

func TestGolden(t *testing.T) {
	for name, c := range map[string]struct{ got, want []int }{
		"batch":         {Batch(seed, "cresc1alice", 0, 4, 1000), []int{314, 747, 606, 806}},
		"next step":     {Batch(seed, "cresc1alice", 1, 4, 1000), []int{947, 500, 413, 350}},
		"another":       {Batch(seed, "cresc1bob", 0, 4, 1000), []int{739, 765, 555, 486}},
		"another seed":  {Batch(crescendo.Hash{9}, "cresc1alice", 0, 4, 1000), []int{961, 951, 449, 498}},
		"eager":         {Eager(seed, "cresc1alice", 0, 4, 1000), []int{77, 99, 664, 90}},
		"held out":      {HeldOut(seed, 5, 1000), []int{120, 356, 809, 853, 903}},
		"all held out":  {HeldOut(seed, 5, 3), []int{0, 1, 2}},
		"no windows":    {Batch(seed, "cresc1alice", 0, 4, 0), nil},
		"no sequences":  {Batch(seed, "cresc1alice", 0, -1, 4), nil},
		"none held out": {HeldOut(seed, 3, 0), nil},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("%s: %v\n%s", name, c.got, d)
		}
	}
}

func TestHeldOutIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, windows := rapid.IntRange(1, 60).Draw(t, "n"), rapid.IntRange(1, 100).Draw(t, "windows")
		list := HeldOut(crescendo.Hash{byte(n), rapid.Byte().Draw(t, "draw")}, n, windows)
		if len(list) != min(n, windows) || list[0] < 0 || list[len(list)-1] >= windows {
			t.Fatal(list)
		}
		for i := 1; i < len(list); i++ {
			if list[i-1] >= list[i] {
				t.Fatal("not strictly ascending", list)
			}
		}
	})
}

// Chi-squared over 64 cells: 63 degrees of freedom, 99.99 % below 115.
func TestUniform(t *testing.T) {
	for name, draw := range map[string]func(i int) []int{
		"batch":    func(i int) []int { return Batch(seed, "cresc1alice", uint32(i), 32, 64) },
		"held out": func(i int) []int { return HeldOut(crescendo.Hash{byte(i), byte(i >> 8)}, 32, 64) },
	} {
		var count [64]float64
		const draws = 2000
		for i := range draws {
			for _, w := range draw(i) {
				count[w]++
			}
		}
		var chi float64
		for _, c := range count {
			chi += (c - draws/2) * (c - draws/2) / (draws / 2)
		}
		if chi > 115 {
			t.Errorf("%s: chi-squared %.1f", name, chi)
		}
	}
	if slices.Equal(Batch(seed, "a", 0, 8, 1<<40), Eager(seed, "a", 0, 8, 1<<40)) {
		t.Error("eager steps repeat a round's own batches")
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		n, windows int
		want       []int
	}{
		{4, 10, []int{0, 2, 5, 7}}, {3, 3, []int{0, 1, 2}}, {9, 2, []int{0, 1}}, {0, 5, nil}, {5, 0, nil}, {-1, 5, nil},
	} {
		if got := Spread(c.n, c.windows); !slices.Equal(got, c.want) {
			t.Errorf("Spread(%d, %d) = %v, want %v", c.n, c.windows, got, c.want)
		}
	}
	if got := Spread(1000, 5000); len(got) != 256 || got[255] != 255*5000/256 {
		t.Errorf("%d windows, last %d", len(got), got[len(got)-1])
	}
}
