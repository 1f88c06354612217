package actor

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/training/outer"
)

// retokenize packs a corpus again with the tokenizer of an adopted recipe, if it
// has one, and publishes it: what a rung is then trained on.
func (o *Organiser) retokenize(ctx context.Context, how research.Tokenizer, packed Corpus) (Corpus, error) {
	if how.None() {
		return packed, nil
	}
	reader, err := corpus.Open(ctx, o.Blobs, packed.Manifest)
	if err != nil {
		return Corpus{}, err
	}
	derived, err := reader.Derive(ctx, outer.Tokenization(how))
	if err == nil {
		err = derived.Publish(ctx)
	}
	if err != nil {
		return Corpus{}, fmt.Errorf("pack the corpus with the adopted recipe's tokenizer: %w", err)
	}
	return Corpus{Manifest: derived.Hash(), Root: derived.Manifest().Root}, nil
}
