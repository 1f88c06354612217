package programfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"

	"go.yaml.in/yaml/v3"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
)

// MaxRecipeSize bounds a recipe file, in bytes.
const MaxRecipeSize = 64 << 10

// ParseRecipe reads a recipe from memory; name stands in errors. The author is
// who enters it, unless the file names somebody.
func ParseRecipe(name string, data []byte, author crescendo.Account) (research.Recipe, error) {
	var r research.Recipe
	if len(data) > MaxRecipeSize {
		return r, crescendo.Errorf(crescendo.CodeInvalid, "read recipe %s: more than %d bytes", name, MaxRecipeSize)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&r); err != nil {
		return r, explainIn(reflect.TypeFor[research.Recipe](), "recipe", name, data, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return r, crescendo.Errorf(crescendo.CodeInvalid, "read recipe %s: a second document begins in it", name)
	}
	fill(&r.Version, research.RecipeVersion)
	fill(&r.Author, author)
	if m := &r.Model; *m != (research.Model{}) {
		fill(&m.KVHeads, m.Heads)
	}
	research.SortMix(r.Mix)
	if err := r.Check(); err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

// WriteRecipe writes a recipe as a file that ParseRecipe reads.
func WriteRecipe(r research.Recipe) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(r), enc.Close()); err != nil {
		return nil, fmt.Errorf("write recipe %q: %w", r.Name, err)
	}
	return b.Bytes(), nil
}

// RecipeOf spells out how a programme trains a rung: what a researcher starts
// from.
func RecipeOf(spec program.Spec, rung crescendo.RungID, author crescendo.Account) (research.Recipe, error) {
	if rung == 0 || int(rung) > len(spec.Rungs) {
		return research.Recipe{}, crescendo.Errorf(crescendo.CodeNotFound, "recipe of rung %d: the programme has rungs 1 to %d", rung, len(spec.Rungs))
	}
	r := spec.Rungs[rung-1]
	m := r.Model
	return research.Recipe{
		Version: research.RecipeVersion, Author: author, Name: "my recipe", Optimizer: research.Optimizer(r.Training.Optimizer),
		Sequences: r.Training.Sequences, Context: m.Context, Mix: r.Training.Mix, Filter: r.Training.Filter,
		Model: research.Model{Dim: m.Dim, Layers: m.Layers, Heads: m.Heads, KVHeads: m.KVHeads, FFN: m.FFN, Tied: m.Tied},
	}, nil
}
