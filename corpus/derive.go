package corpus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
)

// Tokenization is another way to cut the documents of a corpus into tokens.
type Tokenization struct {
	Vocab       int   // token ids, control tokens included
	SampleBytes int64 // of training text the tokenizer learns from; 0: as much as it did
}

// maxDerived bounds the derived corpora that a Reader remembers.
const maxDerived = 2

// derivations are the corpora derived from one. Each is made once, by whoever
// asks first.
type derivations struct {
	mu   sync.Mutex
	made []derived // oldest first; guarded by mu
}

type derived struct {
	how    Tokenization
	reader *Reader
}

// Derive packs the documents of the corpus again, with a tokenizer trained as
// told: same documents, same splits, same order. What comes out is what Build
// would have made of the same documents with these options, bit for bit, so
// anybody can derive it, or finds as everybody does (ErrBroken) that it cannot be
// done. Its blobs are in memory until Publish.
func (r *Reader) Derive(ctx context.Context, how Tokenization) (*Reader, error) {
	r.derived.mu.Lock()
	defer r.derived.mu.Unlock()
	if i := slices.IndexFunc(r.derived.made, func(d derived) bool { return d.how == how }); i >= 0 {
		return r.derived.made[i].reader, nil
	}
	reader, err := r.derive(ctx, how)
	if err != nil {
		return nil, fmt.Errorf("derive a corpus from %s: %w", r.hash, err)
	}
	if len(r.derived.made) == maxDerived {
		r.derived.made = slices.Delete(r.derived.made, 0, 1)
	}
	r.derived.made = append(r.derived.made, derived{how, reader})
	return reader, nil
}

func (r *Reader) derive(ctx context.Context, how Tokenization) (*Reader, error) {
	m := *r.manifest
	m.Recipe.SampleBytes = cmp.Or(how.SampleBytes, m.Recipe.SampleBytes)
	seed, err := strconv.ParseUint(m.Recipe.Seed, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: seed: %w", ErrBroken, err)
	}
	over := &overlay{above: blob.NewMemory(), below: r.store}
	b := &builder{ctx: ctx, progress: func(string, int, int) {}, o: Options{Store: over, Vocab: how.Vocab, Context: m.Context, ShardTokens: m.Recipe.ShardTokens,
		HeldOutPerMille: m.Recipe.HeldOutPerMille, MaxBytes: m.Recipe.MaxBytes, SampleBytes: m.Recipe.SampleBytes, Seed: seed}}
	if err := b.o.fill(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	train, err := r.documents(ctx, Train)
	if err != nil {
		return nil, err
	}
	heldOut, err := r.documents(ctx, HeldOut)
	if err != nil {
		return nil, err
	}
	tok, err := b.tokenizer(train)
	if err != nil {
		return nil, err
	}
	data, err := tok.MarshalJSON()
	if err != nil {
		return nil, err
	}
	if m.Tokenizer, err = over.Put(ctx, data); err != nil {
		return nil, err
	}
	m.Vocab, m.Train, m.HeldOut = tok.Vocab(), Part{}, Part{}
	if err := b.pack(&m, tok, train, heldOut); errors.Is(err, ErrUnusable) {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	} else if err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	encoded, err := m.Encode()
	if err != nil {
		return nil, err
	}
	h, err := over.Put(ctx, encoded)
	if err != nil {
		return nil, err
	}
	return newReader(over, h, &m, tok)
}

// documents reads all texts of a split.
func (r *Reader) documents(ctx context.Context, s Split) ([]document, error) {
	x, err := r.Index(ctx, s)
	if err != nil {
		return nil, err
	}
	out := make([]document, 0, len(x.Documents))
	for i, d := range x.Documents {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		text, err := r.Text(ctx, s, i)
		if err != nil {
			return nil, err
		}
		out = append(out, document{hash: d.Hash, text: text, path: d.Path})
	}
	return out, nil
}

// Publish puts the blobs of a derived corpus into the store that the corpus it
// was derived from lies in. It does nothing to any other corpus.
func (r *Reader) Publish(ctx context.Context) error {
	over, ok := r.store.(*overlay)
	if !ok {
		return nil
	}
	for h, err := range over.above.List(ctx) {
		if err != nil {
			return fmt.Errorf("publish corpus %s: %w", r.hash, err)
		}
		data, err := over.above.Get(ctx, h, 0)
		if err == nil {
			_, err = over.below.Put(ctx, data)
		}
		if err != nil {
			return fmt.Errorf("publish corpus %s: %w", r.hash, err)
		}
	}
	return nil
}

// overlay is a store in memory over another one, which it does not write to.
type overlay struct {
	above *blob.Memory
	below blob.Store
}

func (o *overlay) Put(ctx context.Context, data []byte) (crescendo.Hash, error) {
	return o.above.Put(ctx, data)
}

func (o *overlay) Get(ctx context.Context, h crescendo.Hash, most int64) ([]byte, error) {
	data, err := o.above.Get(ctx, h, most)
	if errors.Is(err, blob.ErrNotFound) {
		return o.below.Get(ctx, h, most)
	}
	return data, err
}

func (o *overlay) Has(ctx context.Context, h crescendo.Hash) (bool, error) {
	if has, err := o.above.Has(ctx, h); err != nil || has {
		return has, err
	}
	return o.below.Has(ctx, h)
}

func (o *overlay) Delete(ctx context.Context, h crescendo.Hash) error { return o.above.Delete(ctx, h) }

func (o *overlay) List(ctx context.Context) iter.Seq2[crescendo.Hash, error] {
	return o.above.List(ctx)
}

// Recut turns a window of the corpus that this one was derived from into this
// one's tokens: first one that ends what the window's first token stands for,
// then those of what its targets stand for. Models with different tokenizers
// are so asked for the same text.
func (r *Reader) Recut(from *Reader, window []int32) []int32 {
	if len(window) == 0 {
		return nil
	}
	out := []int32{r.tok.Separator()}
	if before := r.tok.Encode(from.tok.TokenBytes(window[0])); len(before) > 0 {
		out[0] = before[len(before)-1]
	}
	var text []byte
	for _, id := range window[1:] {
		if id != from.tok.Separator() {
			text = append(text, from.tok.TokenBytes(id)...)
			continue
		}
		out, text = append(r.tok.AppendContinuation(out, text), r.tok.Separator()), text[:0]
	}
	return r.tok.AppendContinuation(out, text)
}

// Question returns the tokens of a text, as a document begins, and those of how
// it goes on.
func (r *Reader) Question(text, continuation string) (before, after []int32) {
	return r.tok.AppendEncode([]int32{r.tok.Separator()}, []byte(text)), r.tok.AppendContinuation(nil, []byte(continuation))
}
