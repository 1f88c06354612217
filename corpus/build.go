package corpus

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/tokenizer"
	"lukechampine.com/blake3"
)

// Defaults of Options.
const (
	DefaultVocab           = 4096
	DefaultContext         = 128
	DefaultShardTokens     = 262_144
	DefaultHeldOutPerMille = 40
	DefaultMaxBytes        = 256 << 20
	DefaultSampleBytes     = 3 << 20
)

// The least and most text a corpus may be asked to have. All of it is in
// memory while it is packed.
const (
	minMaxBytes = 64 << 10
	maxMaxBytes = 4 << 30
)

// Options configure Build. Zero fields have the defaults above.
type Options struct {
	Store           blob.Store           // takes shards, tokenizer, licence and manifest
	Vocab           int                  // token ids, control tokens included
	Context         int                  // tokens a window feeds to the model
	ShardTokens     int                  // tokens in a shard; the last of a split has fewer
	HeldOutPerMille int                  // share of the documents never trained on
	MaxBytes        int64                // text taken; above it a seeded choice of files
	Contribution    bool                 // hold nothing out: text for another corpus, whose Tokenizer it takes
	SampleBytes     int64                // of training text the tokenizer learns from
	Seed            uint64               // decides which files and which sample
	Tokenizer       *tokenizer.Tokenizer // used instead of training one; sets Vocab
	CacheDir        string               // keeps trained tokenizers; empty keeps none
}

func (o *Options) fill() error {
	if o.Tokenizer != nil {
		o.Vocab = o.Tokenizer.Vocab()
	}
	o.Vocab = cmp.Or(o.Vocab, DefaultVocab)
	o.Context = cmp.Or(o.Context, DefaultContext)
	o.ShardTokens = cmp.Or(o.ShardTokens, DefaultShardTokens)
	if !o.Contribution {
		o.HeldOutPerMille = cmp.Or(o.HeldOutPerMille, DefaultHeldOutPerMille)
	}
	o.MaxBytes = cmp.Or(o.MaxBytes, DefaultMaxBytes)
	o.SampleBytes = cmp.Or(o.SampleBytes, DefaultSampleBytes)
	switch {
	case o.Store == nil:
		return fmt.Errorf("no blob store")
	case o.Vocab < tokenizer.MinVocab || o.Vocab > tokenizer.MaxVocab:
		return fmt.Errorf("vocabulary of %d tokens, want %d to %d", o.Vocab, tokenizer.MinVocab, tokenizer.MaxVocab)
	case o.Context < 1 || o.Context > maxContext:
		return fmt.Errorf("context of %d tokens, want 1 to %d", o.Context, maxContext)
	case o.ShardTokens <= o.Context || o.ShardTokens > MaxShardTokens:
		return fmt.Errorf("shards of %d tokens, want %d to %d", o.ShardTokens, o.Context+1, MaxShardTokens)
	case o.Contribution && (o.Tokenizer == nil || o.HeldOutPerMille != 0):
		return fmt.Errorf("a contribution takes the tokenizer of the corpus it is for, and holds nothing out")
	case !o.Contribution && (o.HeldOutPerMille < 1 || o.HeldOutPerMille > 500):
		return fmt.Errorf("%d per mille held out, want 1 to 500", o.HeldOutPerMille)
	case o.MaxBytes < minMaxBytes || o.MaxBytes > maxMaxBytes:
		return fmt.Errorf("at most %d bytes of text, want %d to %d", o.MaxBytes, minMaxBytes, int64(maxMaxBytes))
	case o.SampleBytes < 1:
		return fmt.Errorf("tokenizer sample of %d bytes", o.SampleBytes)
	}
	return nil
}

// Pack is the result of Build.
type Pack struct {
	Manifest *Manifest
	Hash     crescendo.Hash // blob of the manifest: what Open takes
	// GzipMicroBitsPerByte is what gzip -9 needs for the held-out text, in
	// millionths of a bit per byte.
	GzipMicroBitsPerByte int64
}

// Build reads the documents of a source, packs them into blobs and returns the
// manifest. Equal documents and options give equal blobs. progress, which may
// be nil, is told how far each stage has come: "read", "tokenizer", "pack",
// "baseline".
func Build(ctx context.Context, s Source, o Options, progress func(stage string, done, total int)) (*Pack, error) {
	if err := o.fill(); err != nil {
		return nil, fmt.Errorf("build corpus: %w", err)
	}
	if progress == nil {
		progress = func(string, int, int) {}
	}
	b := &builder{ctx: ctx, o: o, progress: progress}
	pack, err := b.build(s)
	if err != nil {
		return nil, fmt.Errorf("build corpus: %w", err)
	}
	return pack, nil
}

type builder struct {
	ctx      context.Context
	o        Options
	progress func(stage string, done, total int)
}

func (b *builder) build(s Source) (*Pack, error) {
	docs, err := s.documents(b.ctx, b.o.MaxBytes, b.o.Seed, func(done, total int) { b.progress("read", done, total) })
	if err != nil {
		return nil, err
	}
	if b.o.Tokenizer != nil {
		docs = slices.DeleteFunc(docs, func(d document) bool { return b.o.Tokenizer.Loses(d.text) })
		if len(docs) == 0 {
			return nil, unusable("take other text", "the tokenizer reads no document back as it was")
		}
	}
	if b.o.Contribution && len(docs) > MaxContributionDocuments {
		return nil, unusable("join short texts to longer documents", "%d documents, a contribution has at most %d", len(docs), MaxContributionDocuments)
	}
	train, heldOut := docs, []document(nil)
	if !b.o.Contribution {
		train, heldOut = divide(docs, b.o.HeldOutPerMille)
	}
	tok, err := b.tokenizer(train)
	if err != nil {
		return nil, err
	}
	m := &Manifest{
		Context: b.o.Context,
		Recipe: Recipe{
			HeldOutPerMille: b.o.HeldOutPerMille,
			MaxBytes:        b.o.MaxBytes,
			SampleBytes:     b.o.SampleBytes,
			Seed:            strconv.FormatUint(b.o.Seed, 10),
			ShardTokens:     b.o.ShardTokens,
		},
		Source:  strings.ToValidUTF8(s.Description, "?"),
		Version: manifestVersion,
		Vocab:   tok.Vocab(),
	}
	if err := b.describe(m, s, tok); err != nil {
		return nil, err
	}
	if err := b.pack(m, tok, train, heldOut); err != nil {
		return nil, err
	}
	b.progress("baseline", 0, 1)
	var gzip int64
	if !b.o.Contribution {
		m.BigramMicroBitsPerByte = BigramMicroBits(texts(train), texts(heldOut))
		gzip = gzipMicroBits(texts(heldOut))
	}
	b.progress("baseline", 1, 1)
	if err := m.check(); err != nil {
		return nil, unusable("add documents, or lower the context length", "%v", err)
	}
	encoded, err := m.Encode()
	if err != nil {
		return nil, err
	}
	h, err := b.o.Store.Put(b.ctx, encoded)
	if err != nil {
		return nil, err
	}
	return &Pack{Manifest: m, Hash: h, GzipMicroBitsPerByte: gzip}, nil
}

// describe stores licence and tokenizer.
func (b *builder) describe(m *Manifest, s Source, tok *tokenizer.Tokenizer) error {
	text, err := s.licence()
	if err != nil {
		return err
	}
	m.Licence.SPDX = cmp.Or(strings.ToValidUTF8(s.SPDX, "?"), "NOASSERTION")
	if m.Licence.Blob, err = b.o.Store.Put(b.ctx, text); err != nil {
		return err
	}
	data, err := tok.MarshalJSON()
	if err != nil {
		return err
	}
	m.Tokenizer, err = b.o.Store.Put(b.ctx, data)
	return err
}

// divide holds out documents by their hash, so that a document is on the same
// side in every corpus that has it. At least one document is held out: the one
// next in line if need be.
func divide(docs []document, perMille int) (train, heldOut []document) {
	nearest := slices.MinFunc(docs, func(a, b document) int { return cmp.Compare(drawn(a), drawn(b)) })
	for _, d := range docs {
		if drawn(d) < uint64(perMille) || d.hash == nearest.hash {
			heldOut = append(heldOut, d)
		} else {
			train = append(train, d)
		}
	}
	return train, heldOut
}

// drawn gives a document its number from 0 to 999.
func drawn(d document) uint64 { return drawnHash(d.hash) }

func drawnHash(h crescendo.Hash) uint64 { return binary.BigEndian.Uint64(h[24:]) % 1000 }

// shuffle puts files in an order that depends on names and seed alone.
func shuffle(files []file, seed uint64) {
	keys := make(map[string]crescendo.Hash, len(files))
	for _, f := range files {
		keys[f.name] = keyed("files", seed, []byte(f.name))
	}
	slices.SortFunc(files, func(a, b file) int { return blob.Compare(keys[a.name], keys[b.name]) })
}

func keyed(purpose string, seed uint64, data []byte) crescendo.Hash {
	b := append([]byte("crescendo corpus "+purpose+"\x00"), binary.LittleEndian.AppendUint64(nil, seed)...)
	return blake3.Sum256(append(b, data...))
}

// sample chooses the training documents the tokenizer learns from.
func (b *builder) sample(train []document) []document {
	order := slices.Clone(train)
	keys := make(map[crescendo.Hash]crescendo.Hash, len(order))
	for _, d := range order {
		keys[d.hash] = keyed("sample", b.o.Seed, d.hash[:])
	}
	slices.SortFunc(order, func(x, y document) int { return blob.Compare(keys[x.hash], keys[y.hash]) })
	var size int64
	for i, d := range order {
		if size >= b.o.SampleBytes {
			return order[:i]
		}
		size += int64(len(d.text))
	}
	return order
}

// tokenizer returns the one given, the one cached for this very sample, or a
// new one.
func (b *builder) tokenizer(train []document) (*tokenizer.Tokenizer, error) {
	if b.o.Tokenizer != nil {
		return b.o.Tokenizer, nil
	}
	sample := b.sample(train)
	key := blake3.New(32, nil)
	fmt.Fprintf(key, "crescendo tokenizer %d vocab %d\n", tokenizer.TrainingVersion, b.o.Vocab)
	for _, d := range sample {
		key.Write(d.hash[:])
	}
	cached := filepath.Join(b.o.CacheDir, fmt.Sprintf("tokenizer-%x.json", key.Sum(nil)))
	if b.o.CacheDir != "" {
		if data, err := os.ReadFile(cached); err == nil {
			if tok, err := tokenizer.Load(data); err == nil && tok.Vocab() == b.o.Vocab {
				return tok, nil
			} // else a damaged cache, which is as good as none
		}
	}
	tok, err := tokenizer.Train(b.ctx, texts(sample), b.o.Vocab, func(done, total int) { b.progress("tokenizer", done, total) })
	if err != nil || b.o.CacheDir == "" {
		return tok, err
	}
	return tok, save(cached, tok)
}

func save(path string, tok *tokenizer.Tokenizer) error {
	data, err := tok.MarshalJSON()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("cache tokenizer: %w", err)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "tokenizer-*")
	if err != nil {
		return fmt.Errorf("cache tokenizer: %w", err)
	}
	_, err = temp.Write(data)
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		os.Remove(temp.Name())
		return fmt.Errorf("cache tokenizer: %w", err)
	}
	return nil
}

func texts(docs []document) [][]byte {
	out := make([][]byte, len(docs))
	for i, d := range docs {
		out[i] = d.text
	}
	return out
}
