package corpus

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
)

const (
	// Bounds of the text that a recipe may add. Shards of few tokens would have
	// everybody fetch a blob for each, and look through all for each document.
	MaxContributionBytes     = 8 << 20
	MaxContributionDocuments = 1 << 16
	MaxContributionShards    = 1 << 10

	// overlap is how many tokens in a row a contribution may not share with
	// held-out text, unless the corpus trains on the same: docs/formats/recipe.md
	// says what was measured.
	overlap = 24

	// maxContributions bounds the contributions that a Reader remembers.
	maxContributions = 4
)

// contribution is text that a recipe adds to a corpus, examined.
type contribution struct {
	hash    crescendo.Hash
	reader  *Reader
	index   *Index
	refused []bool // by document
	spans   []span // tokens that no window may touch, in order
	heldOut int    // documents
	known   int    // documents
}

// span is a row of tokens.
type span struct{ first, end int64 }

// contribution opens and examines a contribution, or remembers it.
func (r *Reader) contribution(ctx context.Context, h crescendo.Hash) (*contribution, error) {
	r.joining.Lock()
	defer r.joining.Unlock()
	if i := slices.IndexFunc(r.joined, func(c *contribution) bool { return c.hash == h }); i >= 0 {
		return r.joined[i], nil
	}
	c, err := r.join(ctx, h)
	if errors.Is(err, errContribution) {
		return nil, fmt.Errorf("%w: %w", ErrChoice, err)
	}
	if err != nil {
		return nil, err
	}
	if len(r.joined) == maxContributions {
		r.joined = slices.Delete(r.joined, 0, 1)
	}
	r.joined = append(r.joined, c)
	return c, nil
}

// errContribution marks what is wrong with a contribution for everybody.
var errContribution = errors.New("not a contribution to this corpus")

// theirs marks broken blobs as the contribution's fault.
func theirs(err error) error {
	if errors.Is(err, ErrBroken) {
		return fmt.Errorf("%w: %w", errContribution, err)
	}
	return err
}

func (r *Reader) join(ctx context.Context, h crescendo.Hash) (*contribution, error) {
	m, err := readManifest(ctx, r.store, h)
	if err != nil {
		return nil, theirs(err)
	}
	switch {
	case !m.Contribution():
		return nil, fmt.Errorf("%w: it is a corpus of its own, with text held out", errContribution)
	case m.Tokenizer != r.manifest.Tokenizer:
		return nil, fmt.Errorf("%w: it is packed with another tokenizer", errContribution)
	case m.Train.Bytes > MaxContributionBytes || m.Train.Documents > MaxContributionDocuments:
		return nil, fmt.Errorf("%w: %d bytes of text in %d documents, at most %d in %d", errContribution,
			m.Train.Bytes, m.Train.Documents, MaxContributionBytes, MaxContributionDocuments)
	case len(m.Train.Shards) > MaxContributionShards:
		return nil, fmt.Errorf("%w: it is in %d shards, at most %d", errContribution, len(m.Train.Shards), MaxContributionShards)
	case m.Train.Tokens > m.Train.Bytes+int64(m.Train.Documents):
		return nil, fmt.Errorf("%w: %d tokens of %d bytes", errContribution, m.Train.Tokens, m.Train.Bytes)
	}
	c := &contribution{hash: h}
	if c.reader, err = newReader(r.store, h, m, r.tok); err != nil {
		return nil, theirs(err)
	}
	if c.index, err = c.reader.Index(ctx, Train); err != nil {
		return nil, theirs(err)
	}
	if err := c.verify(ctx); err != nil {
		return nil, theirs(err)
	}
	if err := c.examine(ctx, r); err != nil {
		return nil, err
	}
	return c, nil
}

// verify reads every document. Its hash decides whether it is held out, and
// its tokens are compared with others: neither may be the contributor's word.
func (c *contribution) verify(ctx context.Context) error {
	bulk := c.reader.tok.NewBulk()
	var have, want []int32
	for i, d := range c.index.Documents {
		text, err := c.reader.Text(ctx, Train, i)
		if err != nil {
			return err
		}
		if have, err = c.reader.Tokens(ctx, have[:0], Train, d.First, c.index.End(i)); err != nil {
			return err
		}
		want = bulk.AppendEncode(append(want[:0], c.reader.tok.Separator()), text)
		if !slices.Equal(have, want) {
			return fmt.Errorf("%w: document %d (%s) is not in the tokens that its text has", ErrBroken, i, d.Path)
		}
	}
	return nil
}

// examine finds out what of the contribution a model must not be trained on.
func (c *contribution) examine(ctx context.Context, r *Reader) error {
	train, err := r.Index(ctx, Train)
	if err != nil {
		return err
	}
	heldOut, err := r.Index(ctx, HeldOut)
	if err != nil {
		return err
	}
	c.refused = make([]bool, len(c.index.Documents))
	for i, d := range c.index.Documents {
		switch {
		case drawnHash(d.Hash) < uint64(r.manifest.Recipe.HeldOutPerMille) || heldOut.Find(d.Hash) >= 0:
			c.heldOut++
			c.refused[i] = true
			c.spans = append(c.spans, span{d.First, c.index.End(i)})
		case train.Find(d.Hash) >= 0:
			c.known++
			c.refused[i] = true
		}
	}
	found, err := repeated(ctx, c.reader, r)
	if err != nil {
		return err
	}
	c.spans = merge(append(c.spans, found...))
	return nil
}

// merge sorts spans and joins those that touch.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return int(a.first - b.first) })
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && s.first <= out[n-1].end {
			out[n-1].end = max(out[n-1].end, s.end)
			continue
		}
		out = append(out, s)
	}
	return out
}

// repeated returns the runs of overlap tokens of a contribution that stand in
// the held-out part of a corpus and not in its training part: what the model
// is trained on anyway, such as the notice at the head of every file, judges
// nothing.
func repeated(ctx context.Context, contributed, r *Reader) ([]span, error) {
	runs := newRuns(int(contributed.manifest.Train.Tokens))
	if err := eachRun(ctx, contributed, Train, func(_ int64, run uint64) { runs.add(run) }); err != nil {
		return nil, theirs(err)
	}
	hits := 0
	err := eachRun(ctx, r, HeldOut, func(_ int64, run uint64) {
		if i, ok := runs.find(run); ok {
			runs.held[i] = true
			hits++
		}
	})
	if err != nil || hits == 0 {
		return nil, err
	}
	err = eachRun(ctx, r, Train, func(_ int64, run uint64) {
		if i, ok := runs.find(run); ok {
			runs.held[i] = false
		}
	})
	if err != nil {
		return nil, err
	}
	var spans []span
	err = eachRun(ctx, contributed, Train, func(first int64, run uint64) {
		if i, _ := runs.find(run); runs.held[i] {
			if n := len(spans); n > 0 && first <= spans[n-1].end {
				spans[n-1].end = first + overlap
			} else {
				spans = append(spans, span{first, first + overlap})
			}
		}
	})
	return spans, theirs(err)
}

// runs is a set of hashes, of runs of tokens; it marks some of them.
type runs struct {
	keys []uint64 // open addressing; 0 is free
	held []bool
	mask uint64
}

func newRuns(most int) *runs {
	size := 1024
	for size < 2*most {
		size *= 2
	}
	return &runs{keys: make([]uint64, size), held: make([]bool, size), mask: uint64(size - 1)}
}

// find returns where a hash stands, or where it would.
func (s *runs) find(h uint64) (int, bool) {
	h |= 1 // never free
	for i := (h * 0x9e3779b97f4a7c15) >> 20 & s.mask; ; i = (i + 1) & s.mask {
		switch s.keys[i] {
		case h:
			return int(i), true
		case 0:
			return int(i), false
		}
	}
}

func (s *runs) add(h uint64) {
	if i, ok := s.find(h); !ok {
		s.keys[i] = h | 1
	}
}

// eachRun calls visit with the hash of every run of overlap tokens within one
// document, and where it begins. Equal runs have equal hashes. That others may
// have, too, costs a contribution windows; it lets one through only if text of
// the training part, which no contributor chooses, has the hash by chance.
func eachRun(ctx context.Context, r *Reader, s Split, visit func(first int64, run uint64)) error {
	const base = 0x2545f4914f6cdd1d
	top := uint64(1) // base to the power of overlap
	for range overlap {
		top *= base
	}
	var ring [overlap]uint64
	var hash uint64
	length, at := 0, int64(0)
	for i := range r.manifest.Part(s).Shards {
		if err := ctx.Err(); err != nil {
			return err
		}
		tokens, err := r.tokens(ctx, shardKey{s, i})
		if err != nil {
			return err
		}
		for _, t := range tokens {
			at++
			if int32(t) == r.tok.Separator() {
				hash, length = 0, 0
				continue
			}
			old := &ring[length%overlap]
			hash = hash*base + uint64(t)
			if length++; length > overlap {
				hash -= *old * top
			}
			if *old = uint64(t); length >= overlap {
				visit(at-overlap, hash)
			}
		}
	}
	return nil
}
