package outer

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
)

// Opener opens a packed corpus by its manifest.
type Opener func(context.Context, crescendo.Hash) (*corpus.Reader, error)

// Tokenization is a recipe's tokenizer in the words of package corpus.
func Tokenization(t research.Tokenizer) corpus.Tokenization {
	return corpus.Tokenization{Vocab: int(t.Vocabulary), SampleBytes: int64(t.SampleBytes)}
}

// CheckCorpus refuses a corpus that a rung may not be trained on. The ledger
// holds a rung to the corpus of its trials, but where the adopted recipe has its
// own tokenizer: then it must be that corpus packed again, which everybody has
// to see for himself. Spec is the programme as the rung is trained.
func CheckCorpus(ctx context.Context, spec program.Spec, rung crescendo.RungID, r kv.Reader, have crescendo.Hash, open Opener) error {
	tokenizer := spec.Rungs[rung-1].Training.Tokenizer
	if tokenizer.None() {
		return nil
	}
	named, err := research.Texts.Get(r, uint32(rung))
	if err != nil {
		return fmt.Errorf("read the corpus of the trials of rung %d: %w", rung, err)
	}
	reader, err := open(ctx, named.Corpus)
	if err != nil {
		return err
	}
	derived, err := reader.Derive(ctx, Tokenization(tokenizer))
	if err != nil {
		return err
	}
	if derived.Hash() != have {
		return fmt.Errorf("corpus %s: the tokenizer of rung %d's recipe makes %s of the corpus %s", have, rung, derived.Hash(), named.Corpus)
	}
	return nil
}
