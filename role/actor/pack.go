package actor

import (
	"context"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/program"
)

// Pack reads a programme's text and packs it into the store: the documents
// below dir when it is given, else what the programme names. If a rung starts from
// a model made elsewhere, that is stored too, and its tokenizer cuts the text.
func Pack(ctx context.Context, spec program.Spec, dir string, models []string, seed uint64, store blob.Store, progress func(stage string, done, total int)) (*corpus.Pack, error) {
	source, err := source(ctx, spec, dir)
	if err != nil {
		return nil, err
	}
	cut, err := storeModels(ctx, spec, models, store)
	if err != nil {
		return nil, err
	}
	return corpus.Build(ctx, source, corpus.Options{
		Store: store, Vocab: int(spec.Corpus.Vocabulary), Context: int(spec.Rungs[0].Model.Context),
		HeldOutPerMille: int(spec.Corpus.HeldOutPerMille), MaxBytes: int64(spec.Corpus.MaxBytes), Seed: seed, Tokenizer: cut,
	}, progress)
}

func source(ctx context.Context, spec program.Spec, dir string) (corpus.Source, error) {
	switch {
	case dir != "":
		return corpus.Directory(dir), nil
	case spec.Corpus.Source == "go":
		return corpus.GoTree(ctx)
	}
	return corpus.Source{}, crescendo.Errorf(crescendo.CodeInvalid, "the programme's corpus %q is not known here", spec.Corpus.Source).
		WithHint("give the directory that holds its text with --corpus DIR")
}
