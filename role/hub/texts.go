package hub

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
)

// text is what pages need to know of a corpus. Zero: not known.
type text struct {
	BytesPerToken  float64 // of the held-out part
	Bigram, Gzip   float64 // bits per byte on the held-out part
	HeldOut, Train corpus.Part
	SPDX, Source   string
	Vocab          int
}

// texts knows corpora: each is read once, in the background.
type texts struct {
	mu    sync.Mutex
	known map[crescendo.Hash]text // guarded by mu
	asked chan crescendo.Hash
}

// maxTexts bounds how many corpora are remembered; a rung has one. One that
// cannot be read is left alone for textPause.
const (
	maxTexts  = 256
	textPause = time.Minute
)

func newTexts() *texts {
	return &texts{known: map[crescendo.Hash]text{}, asked: make(chan crescendo.Hash, 8)}
}

// of returns what is known of a corpus, and asks for it if that is nothing.
func (t *texts) of(manifest crescendo.Hash) text {
	if manifest.IsZero() {
		return text{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	x, ok := t.known[manifest]
	if !ok && len(t.known) < maxTexts {
		select {
		case t.asked <- manifest:
			t.known[manifest] = text{} // asked for once
		default:
		}
	}
	return x
}

// run reads the corpora that pages ask for, until ctx ends. Learned is called
// after each.
func (t *texts) run(ctx context.Context, blobs blob.Store, learned func(crescendo.Hash, error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case manifest := <-t.asked:
			x, err := readText(ctx, blobs, manifest)
			t.mu.Lock()
			if err != nil {
				time.AfterFunc(textPause, func() { t.forget(manifest) }) // it may come later: ask again then
			} else {
				t.known[manifest] = x
			}
			t.mu.Unlock()
			learned(manifest, err)
		}
	}
}

// forget has a corpus that could not be read asked for again.
func (t *texts) forget(manifest crescendo.Hash) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, manifest)
}

func readText(ctx context.Context, blobs blob.Store, manifest crescendo.Hash) (text, error) {
	r, err := corpus.Open(ctx, blobs, manifest)
	if err != nil {
		return text{}, fmt.Errorf("read corpus %s: %w", manifest, err)
	}
	m := r.Manifest()
	x := text{Bigram: float64(m.BigramMicroBitsPerByte) / 1e6, HeldOut: m.HeldOut, Train: m.Train, SPDX: m.Licence.SPDX, Source: m.Source, Vocab: m.Vocab}
	if m.HeldOut.Tokens > 0 {
		x.BytesPerToken = float64(m.HeldOut.Bytes) / float64(m.HeldOut.Tokens)
	}
	x.Gzip, err = gzipBits(ctx, r)
	return x, err
}

// maxGzip bounds how much text is compressed for the baseline.
const maxGzip = 32 << 20

// gzipBits is how many bits per byte gzip -9 needs for the held-out text: the
// baseline everybody has at hand.
func gzipBits(ctx context.Context, r *corpus.Reader) (float64, error) {
	var packed, plain counter
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return 0, err
	}
	held, tok := r.HeldOut(), r.Tokenizer()
	var window []int32
	for i := range held.Windows() {
		if window, err = held.AppendWindow(ctx, window[:0], i); err != nil {
			return 0, err
		}
		bytes := tok.Decode(window[:held.Context()])
		if _, err := io.MultiWriter(z, &plain).Write(bytes); err != nil {
			return 0, err
		}
		if plain >= maxGzip {
			break
		}
	}
	if err := z.Close(); err != nil || plain == 0 {
		return 0, err
	}
	return 8 * float64(packed) / float64(plain), nil
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
