package corpus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/tokenizer"
)

// maxCachedTokens bounds the shards a Reader keeps in memory: 512 MiB.
const maxCachedTokens = 256 << 20

// Reader gives access to a packed corpus through a blob store. It fetches each
// shard when it is first needed and checks it against the manifest. It is safe
// for concurrent use.
type Reader struct {
	store    blob.Store
	hash     crescendo.Hash
	manifest *Manifest
	tok      *tokenizer.Tokenizer
	lengths  []uint16 // text bytes of each token

	indexing sync.Mutex
	indexes  [2]*Index // by split, nil until read; guarded by indexing
	derived  derivations

	joining sync.Mutex
	joined  []*contribution // guarded by joining

	mu     sync.Mutex
	shards map[shardKey]*cachedShard // guarded by mu
	order  []shardKey                // of arrival; guarded by mu
	held   int                       // tokens cached; guarded by mu
}

type shardKey struct {
	split Split
	index int
}

// cachedShard is loaded once by whoever locks it first.
type cachedShard struct {
	mu     sync.Mutex
	tokens []uint16 // guarded by mu; nil until loaded
}

// ErrBroken means that the blobs of a corpus are there and are not what they
// should be: everybody finds so, and trying again does not help. What cannot
// be fetched is not broken.
var ErrBroken = errors.New("corpus broken")

// Open reads the manifest of a corpus, and its tokenizer.
func Open(ctx context.Context, store blob.Store, manifest crescendo.Hash) (*Reader, error) {
	m, err := readManifest(ctx, store, manifest)
	if err == nil && m.Contribution() {
		err = fmt.Errorf("%w: it holds no text out to judge by", ErrBroken)
	}
	if err != nil {
		return nil, fmt.Errorf("open corpus %s: %w", manifest, err)
	}
	data, err := store.Get(ctx, m.Tokenizer, tokenizer.MaxFileBytes)
	if err != nil {
		return nil, fmt.Errorf("open corpus %s: tokenizer: %w", manifest, err)
	}
	tok, err := tokenizer.Load(data)
	if err != nil {
		return nil, fmt.Errorf("open corpus %s: %w", manifest, err)
	}
	r, err := newReader(store, manifest, m, tok)
	if err != nil {
		return nil, fmt.Errorf("open corpus %s: %w", manifest, err)
	}
	return r, nil
}

// readManifest tells what cannot be fetched from what is broken.
func readManifest(ctx context.Context, store blob.Store, manifest crescendo.Hash) (*Manifest, error) {
	data, err := store.Get(ctx, manifest, MaxManifestBytes)
	if errors.Is(err, blob.ErrTooLarge) {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if err != nil {
		return nil, err
	}
	m, err := DecodeManifest(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return m, nil
}

func newReader(store blob.Store, manifest crescendo.Hash, m *Manifest, tok *tokenizer.Tokenizer) (*Reader, error) {
	if tok.Vocab() != m.Vocab {
		return nil, fmt.Errorf("%w: tokenizer has %d tokens, manifest says %d", ErrBroken, tok.Vocab(), m.Vocab)
	}
	r := &Reader{store: store, hash: manifest, manifest: m, tok: tok, shards: map[shardKey]*cachedShard{}}
	r.lengths = make([]uint16, m.Vocab)
	for id := range r.lengths {
		r.lengths[id] = uint16(len(tok.TokenBytes(int32(id))))
	}
	return r, nil
}

// fetch reads a blob of the corpus.
func (r *Reader) fetch(ctx context.Context, h crescendo.Hash, most int64) ([]byte, error) {
	data, err := r.store.Get(ctx, h, most)
	if errors.Is(err, blob.ErrTooLarge) {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return data, err
}

// Manifest returns the description of the corpus, which must not be changed.
func (r *Reader) Manifest() *Manifest { return r.manifest }

// Hash returns the name of the manifest.
func (r *Reader) Hash() crescendo.Hash { return r.hash }

// Tokenizer returns the tokenizer the corpus was packed with.
func (r *Reader) Tokenizer() *tokenizer.Tokenizer { return r.tok }

// Train returns the windows to train on.
func (r *Reader) Train() *Sequence { return r.sequence(Train, r.manifest.Context) }

// HeldOut returns the windows to evaluate on.
func (r *Reader) HeldOut() *Sequence { return r.sequence(HeldOut, r.manifest.Context) }

func (r *Reader) sequence(s Split, context int) *Sequence {
	part := r.manifest.Part(s)
	q := &Sequence{reader: r, split: s, context: context, ends: make([]int, len(part.Shards))}
	n := 0
	for i, shard := range part.Shards {
		n += windowsIn(shard.Tokens, context)
		q.ends[i] = n
	}
	return q
}

// tokens returns the tokens of one shard, from the store if need be.
func (r *Reader) tokens(ctx context.Context, key shardKey) ([]uint16, error) {
	r.mu.Lock()
	c := r.shards[key]
	if c == nil {
		c = new(cachedShard)
		r.shards[key] = c
		r.order = append(r.order, key)
		r.held += r.manifest.Part(key.split).Shards[key.index].Tokens
		for r.held > maxCachedTokens && len(r.order) > 1 {
			oldest := r.order[0]
			r.order = slices.Delete(r.order, 0, 1)
			r.held -= r.manifest.Part(oldest.split).Shards[oldest.index].Tokens
			delete(r.shards, oldest)
		}
	}
	r.mu.Unlock()

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tokens == nil {
		shard, err := r.load(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("read corpus %s, %s shard %d: %w", r.hash, key.split, key.index, err)
		}
		c.tokens = shard.Tokens
	}
	return c.tokens, nil
}

func (r *Reader) load(ctx context.Context, key shardKey) (*Shard, error) {
	name := r.manifest.Part(key.split).Shards[key.index]
	data, err := r.fetch(ctx, name.Blob, int64(shardHeader+2*name.Tokens))
	if err != nil {
		return nil, err
	}
	s, err := DecodeShard(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if s.Split != key.split || s.Index != key.index || s.Vocab != r.manifest.Vocab ||
		s.Tokenizer != r.manifest.Tokenizer || len(s.Tokens) != name.Tokens {
		return nil, fmt.Errorf("%w: blob %s is another shard (%s %d)", ErrBroken, name.Blob, s.Split, s.Index)
	}
	return s, nil
}

// Sequence is one split of a corpus, cut into windows of context+1 tokens: the
// first context are inputs, the last context targets. Neighbours share one
// token, so that every token but the first of a shard is a target once; what
// is left at the end of a shard is not used.
type Sequence struct {
	reader  *Reader
	split   Split
	context int
	ends    []int // windows up to and including each shard
}

// WithContext returns the same tokens cut into other windows.
func (q *Sequence) WithContext(context int) (*Sequence, error) {
	if context < 1 || context > maxContext {
		return nil, fmt.Errorf("windows of %d tokens, want 1 to %d", context, maxContext)
	}
	other := q.reader.sequence(q.split, context)
	if other.Windows() == 0 {
		return nil, fmt.Errorf("no %s shard has %d tokens", q.split, context+1)
	}
	return other, nil
}

// Context returns the number of targets in a window.
func (q *Sequence) Context() int { return q.context }

// Windows returns the number of windows.
func (q *Sequence) Windows() int {
	if len(q.ends) == 0 {
		return 0
	}
	return q.ends[len(q.ends)-1]
}

// Shard returns which shard a window lies in, and at which token it starts.
func (q *Sequence) Shard(window int) (index, offset int, err error) {
	if window < 0 || window >= q.Windows() {
		return 0, 0, fmt.Errorf("window %d of %d: no such window", window, q.Windows())
	}
	index = sort.SearchInts(q.ends, window+1)
	if index > 0 {
		window -= q.ends[index-1]
	}
	return index, window * q.context, nil
}

// Window returns the tokens of window i, context+1 of them.
func (q *Sequence) Window(ctx context.Context, i int) ([]int32, error) {
	return q.AppendWindow(ctx, make([]int32, 0, q.context+1), i)
}

// AppendWindow appends the tokens of window i to dst.
func (q *Sequence) AppendWindow(ctx context.Context, dst []int32, i int) ([]int32, error) {
	index, offset, err := q.Shard(i)
	if err != nil {
		return dst, err
	}
	tokens, err := q.reader.tokens(ctx, shardKey{q.split, index})
	if err != nil {
		return dst, err
	}
	for _, t := range tokens[offset : offset+q.context+1] {
		dst = append(dst, int32(t))
	}
	return dst, nil
}

// TargetBytes returns how many bytes of text the targets of window i stand
// for: what turns its loss into bits per byte. Separators count nothing.
func (q *Sequence) TargetBytes(ctx context.Context, i int) (int64, error) {
	window, err := q.Window(ctx, i)
	if err != nil {
		return 0, err
	}
	var n int64
	for _, t := range window[1:] {
		n += int64(q.reader.lengths[t])
	}
	return n, nil
}

// Preload fetches all shards of the sequence that fit in memory.
func (q *Sequence) Preload(ctx context.Context) error {
	total := 0
	for i, s := range q.reader.manifest.Part(q.split).Shards {
		if total += s.Tokens; total > maxCachedTokens {
			return nil
		}
		if _, err := q.reader.tokens(ctx, shardKey{q.split, i}); err != nil {
			return err
		}
	}
	return nil
}
