package corpus

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/research"
)

// MinWindows is the least text that a choice may leave: with less a model
// learns its windows by heart.
const MinWindows = 64

// ContributionPrefix is what the paths of contributed documents begin with.
const ContributionPrefix = "shard/"

// ErrChoice means that a choice leaves too little text, or that the text it
// adds is not what it should be: everybody finds so, and trying again does not
// help. What cannot be fetched is another error.
var ErrChoice = errors.New("unusable choice of text")

// Choice says which windows a model is trained on, and how often each is
// drawn. The zero value draws all windows of the training split alike.
type Choice struct {
	Mix    []research.MixWeight
	Filter research.Filter
	Shard  crescendo.Hash // manifest of a contribution, whose documents lie under ContributionPrefix
}

func (c Choice) none() bool {
	return len(c.Mix) == 0 && c.Filter == research.Filter{} && c.Shard.IsZero()
}

// Summary says what a choice comes to.
type Summary struct {
	Documents int   // with a weight above zero
	Bytes     int64 // of their text
	Windows   int   // with a weight above zero

	// Of the contribution, if there is one.
	Contributed        int // documents
	ContributedWindows int // with a weight above zero
	HeldOut            int // documents that the corpus holds out by their hash
	Known              int // documents that the corpus trains on anyway
	Overlapping        int // windows that repeat held-out text
}

// Selection is the text that a choice leaves. Its windows are numbered with
// repetition, each as often as its weight asks for: a uniform draw below
// Windows is the weighted draw. Weights are divided by what divides them all,
// so that a mix that treats all documents alike draws as none does.
type Selection struct {
	Summary   Summary
	parts     []*Sequence
	stretches []stretch
	total     int
}

// stretch is a row of neighbouring windows of one weight.
type stretch struct {
	part   int
	first  int // window of the part
	count  int
	weight int
	end    int // numbers up to and including the stretch
}

// Windows returns how many numbers there are to draw from.
func (s *Selection) Windows() int { return s.total }

// Window returns the tokens of the window that a number stands for.
func (s *Selection) Window(ctx context.Context, i int) ([]int32, error) {
	if i < 0 || i >= s.total {
		return nil, fmt.Errorf("window %d of %d: no such window", i, s.total)
	}
	k := sort.Search(len(s.stretches), func(k int) bool { return s.stretches[k].end > i })
	t := s.stretches[k]
	begin := t.end - t.count*t.weight
	return s.parts[t.part].Window(ctx, t.first+(i-begin)/t.weight)
}

// Choose cuts the text that a choice leaves into windows. The class of a window
// is the document of its first token.
func (r *Reader) Choose(ctx context.Context, c Choice, context int) (*Selection, error) {
	main, err := r.Train().WithContext(context)
	if err != nil {
		return nil, err
	}
	s := &Selection{parts: []*Sequence{main}}
	if c.none() {
		n := main.Windows()
		s.stretches, s.total = []stretch{{0, 0, n, 1, n}}, n
		s.Summary = Summary{Documents: r.manifest.Train.Documents, Bytes: r.manifest.Train.Bytes, Windows: n}
		return s, nil
	}
	index, err := r.Index(ctx, Train)
	if err != nil {
		return nil, err
	}
	s.add(0, main, index.Documents, c.weigh(&s.Summary, index, "", nil), nil)
	if !c.Shard.IsZero() {
		more, err := r.contribution(ctx, c.Shard)
		if err != nil {
			return nil, fmt.Errorf("contributed text %s: %w", c.Shard.Short(), err)
		}
		s.contribute(more, c, context)
	}
	if s.Summary.Windows < MinWindows {
		return nil, fmt.Errorf("%w: mix and filter leave %d windows of %d tokens, fewer than %d", ErrChoice, s.Summary.Windows, context, MinWindows)
	}
	s.number()
	return s, nil
}

func (s *Selection) contribute(more *contribution, c Choice, context int) {
	q := more.reader.sequence(Train, context)
	s.parts = append(s.parts, q)
	before := s.Summary.Windows
	s.Summary.Contributed, s.Summary.HeldOut, s.Summary.Known = len(more.index.Documents), more.heldOut, more.known
	s.add(1, q, more.index.Documents, c.weigh(&s.Summary, more.index, ContributionPrefix, more.refused), more.spans)
	s.Summary.ContributedWindows = s.Summary.Windows - before
}

// weigh returns the weight of each document.
func (c Choice) weigh(sum *Summary, x *Index, prefix string, refused []bool) []int {
	weights := make([]int, len(x.Documents))
	for i, d := range x.Documents {
		if refused != nil && refused[i] || !c.Filter.Admits(uint64(d.Bytes), uint64(x.End(i)-d.First-1)) {
			continue
		}
		if weights[i] = int(research.WeightOf(c.Mix, prefix+d.Path)); weights[i] > 0 {
			sum.Documents++
			sum.Bytes += int64(d.Bytes)
		}
	}
	return weights
}

// add appends the windows of a part that have a weight and touch no span.
func (s *Selection) add(part int, q *Sequence, docs []Document, weights []int, spans []span) {
	doc, window := 0, 0
	var begin int64 // of the shard
	for _, shard := range q.reader.manifest.Part(q.split).Shards {
		for k := range windowsIn(shard.Tokens, q.context) {
			first := begin + int64(k*q.context)
			for doc+1 < len(docs) && docs[doc+1].First <= first {
				doc++
			}
			for len(spans) > 0 && spans[0].end <= first {
				spans = spans[1:]
			}
			switch {
			case weights[doc] == 0:
			case len(spans) > 0 && spans[0].first <= first+int64(q.context):
				s.Summary.Overlapping++
			default:
				s.append(stretch{part: part, first: window, weight: weights[doc]})
			}
			window++
		}
		begin += int64(shard.Tokens)
	}
}

// append takes in one window.
func (s *Selection) append(w stretch) {
	s.Summary.Windows++
	if n := len(s.stretches); n > 0 {
		last := &s.stretches[n-1]
		if last.part == w.part && last.weight == w.weight && last.first+last.count == w.first {
			last.count++
			return
		}
	}
	w.count = 1
	s.stretches = append(s.stretches, w)
}

// number divides the weights by what divides them all, and counts.
func (s *Selection) number() {
	divisor := 0
	for _, t := range s.stretches {
		divisor = gcd(divisor, t.weight)
	}
	for i := range s.stretches {
		t := &s.stretches[i]
		t.weight /= divisor
		s.total += t.count * t.weight
		t.end = s.total
	}
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
