package modelfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/modelfile/safetensors"
)

// WriteFolder writes a model to a folder, which is made if need be. config.json,
// without which other programs see no model, is taken away first and written last.
func WriteFolder(dir string, f Folder, l Layout) error {
	if err := writeFolder(dir, f, l); err != nil {
		return fmt.Errorf("write model %s: %w", dir, err)
	}
	return nil
}

func writeFolder(dir string, f Folder, l Layout) error {
	if l.Type == "" {
		l.Type = safetensors.F32
	}
	config, err := encodeConfig(f.Shape, l.Type, f.Generation)
	if err != nil {
		return err
	}
	if len(f.Params) != f.Shape.Parameters() {
		return fmt.Errorf("%w: have %d parameters, want %d", ErrMismatch, len(f.Params), f.Shape.Parameters())
	}
	small, err := smallFiles(f)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, ConfigName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	written, err := writeWeights(dir, f, l)
	if err != nil {
		return err
	}
	if err := removeOldWeights(dir, written); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(small)) {
		if err := replaceFile(filepath.Join(dir, name), writeBytes(small[name])); err != nil {
			return err
		}
	}
	return replaceFile(filepath.Join(dir, ConfigName), writeBytes(config))
}

// smallFiles are all but the weights and the config.
func smallFiles(f Folder) (map[string][]byte, error) {
	small := map[string][]byte{}
	for name, b := range f.Files {
		if !slices.Contains(passedOn, name) {
			return nil, fmt.Errorf("%q is not the name of a tokenizer's file", name)
		}
		small[name] = b
	}
	generation, err := f.Generation.encode()
	if err != nil {
		return nil, err
	}
	small[GenerationName] = generation
	if f.Card != nil {
		small[CardName] = f.Card.Markdown()
	}
	return small, nil
}

// weightsName matches what this package and Hugging Face's library call weights.
var weightsName = regexp.MustCompile(`^model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?$`)

// removeOldWeights takes away weights of an earlier model, which readers might
// prefer to ours.
func removeOldWeights(dir string, keep []string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if weightsName.MatchString(e.Name()) && !slices.Contains(keep, e.Name()) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeWeights writes one file, or several and their index, and names them.
func writeWeights(dir string, f Folder, l Layout) ([]string, error) {
	shards := shardsOf(f.Shape, f.Params, l)
	metadata := map[string]string{"format": "pt"} // transformers asks for it
	if len(shards) == 1 {
		return []string{WeightsName}, replaceFile(filepath.Join(dir, WeightsName), func(w io.Writer) error {
			return safetensors.Write(w, metadata, shards[0])
		})
	}
	index := indexFile{WeightMap: map[string]string{}}
	var names []string
	for i, tensors := range shards {
		name := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
		err := replaceFile(filepath.Join(dir, name), func(w io.Writer) error { return safetensors.Write(w, metadata, tensors) })
		if err != nil {
			return nil, err
		}
		names = append(names, name)
		for _, t := range tensors {
			index.WeightMap[t.Name] = name
			index.Metadata.TotalSize += int64(len(t.Data)) * widthOf(l.Type)
		}
	}
	b, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(names, IndexName), replaceFile(filepath.Join(dir, IndexName), writeBytes(append(b, '\n')))
}

func widthOf(kind string) int64 {
	if kind == safetensors.F32 {
		return 4
	}
	return 2
}

// shardsOf deals tensors in canonical order to files of at most the size asked
// for; a tensor is never cut, so that one file may be larger.
func shardsOf(s engine.Shape, params []float32, l Layout) [][]safetensors.Tensor {
	limit := l.ShardBytes
	if limit <= 0 {
		limit = DefaultShardBytes
	}
	shards := [][]safetensors.Tensor{nil}
	var size int64
	for _, t := range s.Tensors() {
		bytes := int64(t.Len) * widthOf(l.Type)
		last := len(shards) - 1
		if size+bytes > limit && len(shards[last]) > 0 {
			shards, size, last = append(shards, nil), 0, last+1
		}
		shards[last] = append(shards[last], safetensors.Tensor{Name: t.Name, Type: l.Type, Dims: t.Dims, Data: params[t.Offset : t.Offset+t.Len]})
		size += bytes
	}
	return shards
}

// indexFile is model.safetensors.index.json.
type indexFile struct {
	Metadata struct {
		TotalSize int64 `json:"total_size"`
	} `json:"metadata"`
	WeightMap map[string]string `json:"weight_map"`
}

func writeBytes(b []byte) func(io.Writer) error {
	return func(w io.Writer) error { _, err := w.Write(b); return err }
}

// replaceFile writes a file beside path and renames it when it is complete.
func replaceFile(path string, fill func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(fill(f), f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
