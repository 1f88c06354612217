package actor

import (
	"context"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/modelfile"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/tokenizer"
	"github.com/crescendo-network/crescendo/training/outer"
)

// Where Hugging Face folders keep the tokenizer, and what they say of it.
const (
	tokenizerFile   = "tokenizer.json"
	tokenizerConfig = "tokenizer_config.json"
)

// Imported is a model made elsewhere as the first checkpoint of a rung.
type Imported struct {
	Checkpoint []byte
	Tokenizer  []byte // as tokenizer.Adopt makes it of the folder's; nil: it has none
	// Unusable is why no corpus can be packed with its tokenizer; nil: it can.
	Unusable error
}

// Import makes the first checkpoint of a rung of a model's folder.
func Import(f modelfile.Folder, spec program.Spec, rung crescendo.RungID) (Imported, error) {
	plan, err := outer.PlanOf(spec, rung)
	if err != nil {
		return Imported{}, err
	}
	if f.Shape != plan.Shape {
		return Imported{}, otherShape(f, plan, spec)
	}
	m := Imported{}
	if m.Checkpoint, err = outer.EncodeCheckpoint(plan.Shape, outer.Vector{Rung: rung, Values: f.Params}); err != nil {
		return Imported{}, err
	}
	if f.Files[tokenizerFile] == nil {
		m.Unusable = fmt.Errorf("the folder has no %s", tokenizerFile)
		return m, nil
	}
	m.Tokenizer, err = tokenizer.Adopt(tokenizer.Folder{
		Tokenizer: f.Files[tokenizerFile], Config: f.Files[tokenizerConfig], Vocab: f.Shape.Vocab, BOS: f.Generation.BOS, EOS: f.Generation.EOS,
	})
	if err != nil {
		m.Unusable = err
		return m, nil
	}
	t, err := tokenizer.Load(m.Tokenizer)
	switch {
	case err != nil:
		m.Unusable = err
	case t.Vocab() > tokenizer.MaxVocab:
		m.Unusable = fmt.Errorf("it has %d tokens, a corpus at most %d", t.Vocab(), tokenizer.MaxVocab)
	case t.Vocab() != int(spec.Corpus.Vocabulary):
		m.Unusable = fmt.Errorf("it has %d tokens, the programme's corpus %d", t.Vocab(), spec.Corpus.Vocabulary)
	}
	return m, nil
}

// otherShape says how the rung has to be written down for this model, if it can be.
func otherShape(f modelfile.Folder, plan outer.Plan, spec program.Spec) error {
	e := crescendo.Errorf(crescendo.CodeInvalid, "the model is %s; rung %d is %s", describe(f), plan.Rung, describe(modelfile.Folder{Shape: plan.Shape}))
	m, ok := outer.ModelOf(f.Shape)
	if !ok {
		return e.WithHint("programmes cannot say all of the model's shape, so that no rung can start from it")
	}
	return e.WithHint("give the rung the model's shape: " + m.String())
}

func describe(f modelfile.Folder) string {
	if m, ok := outer.ModelOf(f.Shape); ok {
		return m.String()
	}
	return fmt.Sprintf("%+v", f.Shape)
}

// storeModels stores the models that rungs start from, each found in one of the
// folders, and returns the tokenizer that the corpus has to be packed with; nil:
// any. Without folders the store has to hold them already.
func storeModels(ctx context.Context, spec program.Spec, folders []string, store blob.Store) (*tokenizer.Tokenizer, error) {
	want := spec.Tokenizer()
	if want.IsZero() {
		return nil, nil
	}
	for i, r := range spec.Rungs {
		if r.Start.Kind() != program.FromCheckpoint {
			continue
		}
		if err := storeModel(ctx, spec, crescendo.RungID(i+1), folders, store); err != nil {
			return nil, err
		}
	}
	data, err := store.Get(ctx, want, tokenizer.MaxFileBytes)
	if err != nil {
		return nil, fmt.Errorf("fetch tokenizer %s: %w", want.Short(), err)
	}
	return tokenizer.Load(data)
}

func storeModel(ctx context.Context, spec program.Spec, rung crescendo.RungID, folders []string, store blob.Store) error {
	start := spec.Rungs[rung-1].Start
	var others error
	for _, dir := range folders {
		f, err := modelfile.ReadFolder(dir)
		if err != nil {
			return err
		}
		m, err := Import(f, spec, rung)
		usable := m.Unusable == nil
		if err == nil && (blob.Sum(m.Checkpoint) != start.Checkpoint || usable && blob.Sum(m.Tokenizer) != start.Tokenizer) {
			err = fmt.Errorf("%s is checkpoint %s with tokenizer %s", dir, blob.Sum(m.Checkpoint).Short(), blob.Sum(m.Tokenizer).Short())
		}
		if err == nil && !usable {
			return crescendo.Errorf(crescendo.CodeInvalid, "start rung %d from %s: no corpus can be packed with its tokenizer: %v", rung, dir, m.Unusable).
				WithHint("what tokenizers can be used: docs/formats/tokenizer.md")
		}
		if err != nil {
			others = errors.Join(others, err)
			continue
		}
		for _, data := range [][]byte{m.Checkpoint, m.Tokenizer} {
			if _, err := store.Put(ctx, data); err != nil {
				return fmt.Errorf("store what rung %d starts from: %w", rung, err)
			}
		}
		return nil
	}
	if has, err := store.Has(ctx, start.Checkpoint); err != nil || has {
		return err
	}
	e := crescendo.Errorf(crescendo.CodeNotFound, "rung %d starts from checkpoint %s, which is not here", rung, start.Checkpoint.Short())
	if others != nil {
		e = crescendo.Errorf(crescendo.CodeNotFound, "rung %d starts from checkpoint %s with tokenizer %s: %v", rung, start.Checkpoint.Short(), start.Tokenizer.Short(), others)
	}
	return e.WithHint("give the folder that `crescendo model import` has read with --model DIR")
}
