package outer

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/training/assign"
	"github.com/google/go-cmp/cmp"
)

// tales writes n documents below folder, of words that their seeds choose.
func tales(t *testing.T, dir, folder, words string, n int) {
	t.Helper()
	all := strings.Fields(words)
	for i := range n {
		rng := rand.New(rand.NewPCG(uint64(i), uint64(len(words))))
		var b strings.Builder
		for range 120 {
			b.WriteString(all[rng.IntN(len(all))] + " ")
		}
		path := filepath.Join(dir, folder, fmt.Sprintf("%03d.txt", i))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// library is a packed corpus with two kinds of documents, and a contribution
// to it.
func library(t *testing.T) (store blob.Store, manifest, shard crescendo.Hash) {
	t.Helper()
	store = blob.NewMemory()
	dir, more := t.TempDir(), t.TempDir()
	tales(t, dir, "sea", "wind tide salt gull mast rope sail deep grey north", 60)
	tales(t, dir, "land", "field oak stone barn plough wheat hill lane gate south", 60)
	tales(t, more, "sky", "cloud star moon comet kite swift rain bolt blue west", 30)
	p, err := corpus.Build(t.Context(), corpus.Directory(dir), corpus.Options{Store: store, Vocab: 320, Context: 16, HeldOutPerMille: 100, Seed: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := corpus.Open(t.Context(), store, p.Hash)
	if err != nil {
		t.Fatal(err)
	}
	c, err := corpus.Build(t.Context(), corpus.Directory(more), corpus.Options{Store: store, Tokenizer: r.Tokenizer(), Context: 16, Contribution: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return store, p.Hash, c.Hash
}

// recorded remembers which windows were read.
type recorded struct {
	text Windows
	read *[][]int32
}

func (r recorded) Windows() int { return r.text.Windows() }

func (r recorded) Window(ctx context.Context, i int) ([]int32, error) {
	w, err := r.text.Window(ctx, i)
	*r.read = append(*r.read, w)
	return w, err
}

// A trainer's round with a mix and contributed text, and its replay by somebody
// who opened the blobs himself, read the same windows and come to the same
// bits; without the mix it is another round.
func TestReplayWithMixAndShard(t *testing.T) {
	store, manifest, shard := library(t)
	s := spec("int8")
	s.Corpus.Vocabulary = 320
	training := &s.Rungs[0].Training
	training.Mix = []research.MixWeight{{Prefix: "sea/", PerMille: 0}, {Prefix: "shard/", PerMille: 3000}}
	training.Filter, training.Shard = research.Filter{MinBytes: 10}, shard
	p, err := PlanOf(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	work := func(p Plan) (payload []byte, end *State, read [][]int32, vocabulary string) {
		r, err := corpus.Open(t.Context(), store, manifest)
		if err != nil {
			t.Fatal(err)
		}
		text, err := p.Text(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		w, err := NewWorker(model(t, p), p, recorded{text, &read})
		if err != nil {
			t.Fatal(err)
		}
		base, _ := initial(t, p)
		payload, end, err = Work(t.Context(), w, Task{Round: 1, Trainer: "ada", Base: base, Seed: crescendo.Hash{7}})
		if err != nil {
			t.Fatal(err)
		}
		var all []int32
		for _, window := range read {
			all = append(all, window...)
		}
		return payload, end, read, string(r.Tokenizer().Decode(all))
	}
	payload, end, read, words := work(p)
	again, endAgain, readAgain, _ := work(p)
	if !bytes.Equal(payload, again) || !cmp.Equal(end, endAgain) || !slices.EqualFunc(read, readAgain, slices.Equal) {
		t.Error("the replay of a round with mix and shard comes to something else")
	}
	if strings.Contains(words, " gull ") || !strings.Contains(words, " comet ") || !strings.Contains(words, " gate ") {
		t.Errorf("wants the words of land and sky and none of sea: %s", words)
	}
	training.Mix, training.Filter, training.Shard = nil, research.Filter{}, crescendo.Hash{}
	plain, err := PlanOf(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	other, _, _, words := work(plain)
	if bytes.Equal(payload, other) || !strings.Contains(words, " gull ") || strings.Contains(words, " comet ") {
		t.Errorf("wants another payload from the programme's own text: %s", words)
	}
}

// Steps draw documents as often as their weights ask for, and never those of
// weight zero.
func TestDrawsFollowWeights(t *testing.T) {
	store, manifest, shard := library(t)
	r, err := corpus.Open(t.Context(), store, manifest)
	if err != nil {
		t.Fatal(err)
	}
	p := plan(t, "q2")
	p.Choice = corpus.Choice{Mix: []research.MixWeight{{Prefix: "land/", PerMille: 0}, {Prefix: "shard/", PerMille: 4000}}, Shard: shard}
	text, err := p.Text(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	sum := text.Summary
	sea, sky := float64(sum.Windows-sum.ContributedWindows), 4*float64(sum.ContributedWindows)
	want := sky / (sea + sky)
	contributed, draws := 0, 0
	for step := range uint32(2000) {
		for _, i := range assign.Batch(crescendo.Hash{3}, "ada", step, 8, text.Windows()) {
			draws++
			if i >= int(sea) { // the contribution's windows are numbered last
				contributed++
			}
		}
	}
	// Five deviations of a binomial draw; the seed is fixed.
	got, slack := float64(contributed)/float64(draws), 5*math.Sqrt(want*(1-want)/float64(draws))
	if math.Abs(got-want) > slack || sum.ContributedWindows == 0 {
		t.Errorf("%.4f of %d draws are contributed, want %.4f within %.4f; %+v", got, draws, want, slack, sum)
	}
	if text.Windows() != int(sea+sky) {
		t.Errorf("%d numbers, want %d", text.Windows(), int(sea+sky))
	}
}
