package modelfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/r0"
	"github.com/crescendo-network/crescendo/modelfile/safetensors"
)

const (
	maxIndex = 64 << 20
	maxFiles = 4096
)

// ReadFolder reads the model of a folder, whoever wrote it: weights in one file or
// several, as float32, bfloat16 or float16. Every tensor must be finite.
func ReadFolder(dir string) (Folder, error) {
	f, err := readFolder(dir)
	if err != nil {
		return Folder{}, fmt.Errorf("read model %s: %w", dir, err)
	}
	return f, nil
}

func readFolder(dir string) (Folder, error) {
	f := Folder{Files: map[string][]byte{}}
	config, err := readBounded(filepath.Join(dir, ConfigName), maxConfig)
	if err != nil {
		return f, err
	}
	if f.Shape, err = DecodeConfig(config); err != nil {
		return f, err
	}
	for _, name := range passedOn {
		b, err := readBounded(filepath.Join(dir, name), maxPassedOn)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return f, err
		}
		f.Files[name] = b
	}
	generation, err := readBounded(filepath.Join(dir, GenerationName), maxConfig)
	if errors.Is(err, os.ErrNotExist) {
		generation = config // older folders say it there
	} else if err != nil {
		return f, err
	}
	if f.Generation, err = decodeGeneration(generation); err != nil {
		return f, err
	}
	f.Params, err = readWeights(dir, f.Shape)
	return f, err
}

// A source is one opened file of weights.
type source struct {
	name string
	file *os.File
	*safetensors.File
}

func openSource(dir, name string) (*source, int64, error) {
	f, size, err := openRegular(filepath.Join(dir, name))
	if err != nil {
		return nil, 0, err
	}
	s, err := safetensors.Open(f, size)
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("%s: %w", name, err)
	}
	return &source{name, f, s}, size, nil
}

// weightFiles names the files of a folder, sorted, and where each tensor is; the
// map is nil if there is one file.
func weightFiles(dir string) ([]string, map[string]string, error) {
	if _, err := os.Stat(filepath.Join(dir, WeightsName)); err == nil {
		return []string{WeightsName}, nil, nil
	}
	b, err := readBounded(filepath.Join(dir, IndexName), maxIndex)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("it has neither %s nor %s", WeightsName, IndexName)
	}
	if err != nil {
		return nil, nil, err
	}
	index, err := decodeIndex(b)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, name := range index {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), index, nil
}

// decodeIndex reads which tensor is in which file. Names of files come from a
// stranger and must not lead out of the folder.
func decodeIndex(b []byte) (map[string]string, error) {
	var index indexFile
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", IndexName, ErrIndex, err)
	}
	if len(index.WeightMap) == 0 {
		return nil, fmt.Errorf("%s: %w: it names no tensors", IndexName, ErrIndex)
	}
	files := map[string]bool{}
	for tensor, name := range index.WeightMap {
		if !plainName(name) || !strings.HasSuffix(name, ".safetensors") {
			return nil, fmt.Errorf("%s: %w: tensor %.100q is in %.100q, which is not a file of the folder", IndexName, ErrIndex, tensor, name)
		}
		files[name] = true
	}
	if len(files) > maxFiles {
		return nil, fmt.Errorf("%s: %w: %d files, limit %d", IndexName, ErrIndex, len(files), maxFiles)
	}
	return index.WeightMap, nil
}

func readWeights(dir string, shape engine.Shape) ([]float32, error) {
	names, index, err := weightFiles(dir)
	if err != nil {
		return nil, err
	}
	sources := map[string]*source{}
	defer func() {
		for _, s := range sources {
			s.file.Close()
		}
	}()
	var size int64
	entries := 0
	for _, name := range names {
		s, n, err := openSource(dir, name)
		if err != nil {
			return nil, err
		}
		sources[name], size, entries = s, size+n, entries+len(s.Entries())
	}
	if err := checkSize(shape, size, entries); err != nil {
		return nil, err
	}
	tensors := shape.Tensors()
	known := make(map[string]bool, len(tensors))
	for _, t := range tensors {
		known[t.Name] = true
	}
	for _, name := range names {
		if err := checkNames(sources[name], shape, known, index); err != nil {
			return nil, err
		}
	}
	params := make([]float32, shape.Parameters())
	for _, t := range tensors {
		where := names[0]
		if index != nil {
			where = index[t.Name]
		}
		if err := readTensor(sources[where], t, params[t.Offset:t.Offset+t.Len]); err != nil {
			return nil, err
		}
	}
	return params, nil
}

// checkSize compares what the config promises with what the files can hold, before
// memory is asked for, be it for numbers or for names: the config may come from a
// stranger. Every layer and every expert has tensors of its own.
func checkSize(shape engine.Shape, size int64, entries int) error {
	n := shape.Parameters()
	if n > MaxParameters || int64(n) > size/2 || shape.Layers*max(1, shape.Experts) > entries {
		return fmt.Errorf("%w: %d parameters and %d layers in %d bytes and %d tensors", ErrMismatch, n, shape.Layers, size, entries)
	}
	return nil
}

func readTensor(s *source, t engine.Tensor, dst []float32) error {
	if s == nil {
		return fmt.Errorf("%w: no tensor %q", ErrMismatch, t.Name)
	}
	e, ok := s.Entry(t.Name)
	switch {
	case !ok:
		return fmt.Errorf("%s: %w: no tensor %q", s.name, ErrMismatch, t.Name)
	case !slices.Equal(e.Dims, t.Dims):
		return fmt.Errorf("%s: %w: tensor %q is %v, want %v", s.name, ErrMismatch, t.Name, e.Dims, t.Dims)
	}
	if err := s.ReadFloat32(t.Name, dst); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if !r0.Finite(dst) {
		return fmt.Errorf("%s: tensor %q: %w", s.name, t.Name, engine.ErrNotFinite)
	}
	return nil
}

// checkNames refuses tensors that the shape does not have, since a model that
// leaves some out computes something else; but for those that repeat what is
// known already.
func checkNames(s *source, shape engine.Shape, known map[string]bool, index map[string]string) error {
	for _, e := range s.Entries() {
		switch {
		case known[e.Name]:
			if index != nil && index[e.Name] != s.name {
				return fmt.Errorf("%s: %w: it holds tensor %q, which should be in %q", s.name, ErrIndex, e.Name, index[e.Name])
			}
		case strings.HasSuffix(e.Name, ".rotary_emb.inv_freq"): // follows from rope_theta
		case e.Name == "lm_head.weight" && shape.Tied: // the embedding again
		default:
			return fmt.Errorf("%s: %w: the model has no place for tensor %q%s", s.name, ErrMismatch, e.Name, reasonFor(e.Name))
		}
	}
	return nil
}

func reasonFor(name string) string {
	switch {
	case strings.HasSuffix(name, ".bias"):
		return ": its config does not speak of such biases"
	case strings.Contains(name, "experts"):
		return ": its config does not speak of experts, or of fewer"
	case strings.Contains(name, "q_norm"), strings.Contains(name, "k_norm"):
		return ": the engine does not norm queries and keys"
	}
	return ""
}
