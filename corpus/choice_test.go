package corpus

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/research"
)

// often returns how often each window of a sequence stands in a selection.
func (s *Selection) often(part int) map[int]int {
	n := map[int]int{}
	for i := range s.total {
		k := slices.IndexFunc(s.stretches, func(t stretch) bool { return t.end > i })
		t := s.stretches[k]
		if t.part == part {
			n[t.first+(i-(t.end-t.count*t.weight))/t.weight]++
		}
	}
	return n
}

func choose(t *testing.T, r *Reader, c Choice) *Selection {
	t.Helper()
	s, err := r.Choose(t.Context(), c, 16)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestChooseNothingChangesNothing: the bits of every rung without a mix hang
// on it.
func TestChooseNothingChangesNothing(t *testing.T) {
	store := blob.NewMemory()
	r := open(t, store, build(t, Directory(write(t, stories(60))), small(store)).Hash)
	plain := r.Train()
	for name, c := range map[string]Choice{
		"no choice":       {},
		"all alike":       {Mix: []research.MixWeight{{Prefix: "part1/", PerMille: 1000}}},
		"all twice":       {Mix: []research.MixWeight{{Prefix: "part", PerMille: 2000}}},
		"names nothing":   {Mix: []research.MixWeight{{Suffix: ".rs", PerMille: 7}}},
		"refuses nothing": {Filter: research.Filter{MinBytes: 1, MaxBytes: 1 << 20}},
	} {
		s := choose(t, r, c)
		if s.Windows() != plain.Windows() || s.Summary.Documents != r.manifest.Train.Documents || s.Summary.Bytes != r.manifest.Train.Bytes {
			t.Fatalf("%s: %d windows, want %d; %+v", name, s.Windows(), plain.Windows(), s.Summary)
		}
		for i := range plain.Windows() {
			want, err := plain.Window(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.Window(t.Context(), i); err != nil || !slices.Equal(got, want) {
				t.Fatalf("%s: window %d is another, %v", name, i, err)
			}
		}
	}
}

// TestMix wants every window as often as the document of its first token says.
func TestMix(t *testing.T) {
	store := blob.NewMemory()
	r := open(t, store, build(t, Directory(write(t, stories(60))), small(store)).Hash)
	x, err := r.Index(t.Context(), Train)
	if err != nil {
		t.Fatal(err)
	}
	mix := []research.MixWeight{{Suffix: "7.txt", PerMille: 0}, {Prefix: "part0/", PerMille: 500}, {Prefix: "part1/", PerMille: 3000}}
	filter := research.Filter{MinBytes: 1000}
	s := choose(t, r, Choice{Mix: mix, Filter: filter})
	often := s.often(0)
	weights := map[string]int{"part0/": 1, "part1/": 6, "part2/": 2} // 500 : 3000 : 1000
	q := r.Train()
	classes, windows := map[int]int{}, 0
	for i := range q.Windows() {
		shard, offset, err := q.Shard(i)
		if err != nil {
			t.Fatal(err)
		}
		d := x.Documents[x.At(int64(shard*1000+offset))]
		want := weights[d.Path[:6]]
		if strings.HasSuffix(d.Path, "7.txt") && want == 2 {
			want = 0 // elsewhere a prefix counts, which is longer than the suffix
		}
		if d.Bytes < 1000 {
			want = 0
		}
		if often[i] != want {
			t.Fatalf("window %d of %s, %d bytes: %d times, want %d", i, d.Path, d.Bytes, often[i], want)
		}
		classes[want]++
		if want > 0 {
			windows++
		}
	}
	for _, w := range []int{0, 1, 2, 6} {
		if classes[w] == 0 {
			t.Errorf("no window has weight %d: the test tests nothing", w)
		}
	}
	if s.Summary.Windows != windows {
		t.Errorf("%d windows, want %d", s.Summary.Windows, windows)
	}
	if _, err := s.Window(t.Context(), s.Windows()); err == nil {
		t.Error("read a window that does not exist")
	}
}

// TestWeightsProperty draws mixes and compares with weights looked up one by
// one.
func TestWeightsProperty(t *testing.T) {
	store := blob.NewMemory()
	r := open(t, store, build(t, Directory(write(t, stories(60))), small(store)).Hash)
	x, err := r.Index(t.Context(), Train)
	if err != nil {
		t.Fatal(err)
	}
	q := r.Train()
	rapid.Check(t, func(t *rapid.T) {
		var mix []research.MixWeight
		for _, w := range rapid.SliceOfNDistinct(rapid.StringMatching(`part[012]?/?(story0?)?`), 0, 4, rapid.ID).Draw(t, "prefixes") {
			mix = append(mix, research.MixWeight{Prefix: w, PerMille: rapid.Uint32Max(3).Draw(t, "weight") * 250})
		}
		for _, w := range rapid.SliceOfNDistinct(rapid.StringMatching(`[0-3][.]txt`), 0, 4, rapid.ID).Draw(t, "suffixes") {
			mix = append(mix, research.MixWeight{Suffix: w, PerMille: rapid.Uint32Max(3).Draw(t, "weight") * 250})
		}
		c := Choice{Mix: mix, Filter: research.Filter{MaxBytes: rapid.Uint32Range(1, 3000).Draw(t, "most")}}
		weights, total, windows := make([]int, q.Windows()), 0, 0
		for i := range weights {
			shard, offset, err := q.Shard(i)
			if err != nil {
				t.Fatal(err)
			}
			if d := x.Documents[x.At(int64(shard*1000+offset))]; d.Bytes <= int(c.Filter.MaxBytes) {
				weights[i] = int(research.WeightOf(mix, d.Path))
			}
			if weights[i] > 0 {
				total += weights[i]
				windows++
			}
		}
		s, err := r.Choose(t.Context(), c, 16)
		if windows < MinWindows {
			if !errors.Is(err, ErrChoice) {
				t.Fatalf("%d windows are left: %v, want a refusal", windows, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		often := s.often(0)
		for i, w := range weights {
			if often[i]*total != w*s.Windows() {
				t.Fatalf("window %d has weight %d of %d, and %d of %d numbers", i, w, total, often[i], s.Windows())
			}
		}
	})
}

// TestSpansStrikeWindows wants exactly the windows left out that touch a span.
func TestSpansStrikeWindows(t *testing.T) {
	store := blob.NewMemory()
	r := open(t, store, build(t, Directory(write(t, stories(20))), small(store)).Hash)
	x, err := r.Index(t.Context(), Train)
	if err != nil {
		t.Fatal(err)
	}
	q, weights := r.Train(), make([]int, len(x.Documents))
	for i := range weights {
		weights[i] = 1
	}
	rapid.Check(t, func(t *rapid.T) {
		var spans []span
		for _, first := range rapid.SliceOfN(rapid.Int64Range(0, x.Tokens-1), 0, 12).Draw(t, "spans") {
			spans = append(spans, span{first, first + rapid.Int64Range(1, 60).Draw(t, "length")})
		}
		s := &Selection{}
		s.add(0, q, x.Documents, weights, merge(slices.Clone(spans)))
		s.number()
		often, struck := s.often(0), 0
		for i := range q.Windows() {
			shard, offset, err := q.Shard(i)
			if err != nil {
				t.Fatal(err)
			}
			first := int64(shard*1000 + offset)
			touched := slices.ContainsFunc(spans, func(sp span) bool { return sp.first <= first+16 && first < sp.end })
			if touched {
				struck++
			}
			if touched == (often[i] == 1) {
				t.Fatalf("window %d, tokens %d to %d, spans %v: drawn %d times", i, first, first+16, spans, often[i])
			}
		}
		if s.Summary.Overlapping != struck {
			t.Fatalf("%d windows struck, want %d", s.Summary.Overlapping, struck)
		}
	})
}
