// Package modelfile writes and reads models as Hugging Face folders: config.json
// for a LlamaForCausalLM, model.safetensors, and whatever files a caller adds,
// such as a tokenizer. Any program that loads Llama models can load them. It
// seals and trains nothing, and reads no format but this one.
package modelfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/modelfile/safetensors"
)

// Names of the two files that make a folder a model.
const (
	ConfigName  = "config.json"
	WeightsName = "model.safetensors"
)

// ErrMismatch means that tensors do not fit the shape they are read for.
var ErrMismatch = errors.New("tensors do not fit the shape")

// MaxParameters bounds what is read into memory.
const MaxParameters = 1 << 33

// WriteFolder writes a model to a folder, which is made if need be. Files are
// replaced one by one, each at once. The keys of extraFiles are plain file names.
func WriteFolder(dir string, shape engine.Shape, params []float32, extraFiles map[string][]byte) error {
	config, err := EncodeConfig(shape)
	if err != nil {
		return fmt.Errorf("write model %s: %w", dir, err)
	}
	names := []string{}
	for name := range extraFiles {
		if name != filepath.Base(name) || name == "." || name == ".." || name == ConfigName || name == WeightsName {
			return fmt.Errorf("write model %s: %q is not a name for an extra file", dir, name)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	put := func(name string, fill func(io.Writer) error) error {
		return replaceFile(filepath.Join(dir, name), fill)
	}
	for _, name := range names {
		if err := put(name, writeBytes(extraFiles[name])); err != nil {
			return fmt.Errorf("write model %s: %w", dir, err)
		}
	}
	err = put(WeightsName, func(w io.Writer) error { return WriteWeights(w, shape, params, map[string]string{"format": "pt"}) })
	if err == nil {
		err = put(ConfigName, writeBytes(config))
	}
	if err != nil {
		return fmt.Errorf("write model %s: %w", dir, err)
	}
	return nil
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

// WriteWeights writes the flat parameter vector as safetensors, in canonical order.
func WriteWeights(w io.Writer, shape engine.Shape, params []float32, metadata map[string]string) error {
	if err := shape.Validate(); err != nil {
		return fmt.Errorf("write weights: %w", err)
	}
	if len(params) != shape.Parameters() {
		return fmt.Errorf("write weights: %w: have %d parameters, want %d", ErrMismatch, len(params), shape.Parameters())
	}
	var tensors []safetensors.Tensor
	for _, t := range shape.Tensors() {
		tensors = append(tensors, safetensors.Tensor{Name: t.Name, Dims: t.Dims, Data: params[t.Offset : t.Offset+t.Len]})
	}
	return safetensors.Write(w, metadata, tensors)
}

// ReadWeights reads the tensors of a shape, and only those, into a flat vector.
func ReadWeights(r io.ReaderAt, size int64, shape engine.Shape) ([]float32, error) {
	if err := shape.Validate(); err != nil {
		return nil, fmt.Errorf("read weights: %w", err)
	}
	f, err := safetensors.Open(r, size)
	if err != nil {
		return nil, fmt.Errorf("read weights: %w", err)
	}
	// The least size of the data is checked first: a shape may come from a stranger.
	n := shape.Parameters()
	if n > MaxParameters || int64(n) > size/2 {
		return nil, fmt.Errorf("read weights: %w: %d parameters in %d bytes", ErrMismatch, n, size)
	}
	tensors := shape.Tensors()
	if len(f.Entries()) != len(tensors) {
		return nil, fmt.Errorf("read weights: %w: have %d tensors, want %d", ErrMismatch, len(f.Entries()), len(tensors))
	}
	params := make([]float32, n)
	for _, t := range tensors {
		e, ok := f.Entry(t.Name)
		if !ok || !slices.Equal(e.Dims, t.Dims) {
			return nil, fmt.Errorf("read weights: %w: tensor %q is %v, want %v", ErrMismatch, t.Name, e.Dims, t.Dims)
		}
		if err := f.ReadFloat32(t.Name, params[t.Offset:t.Offset+t.Len]); err != nil {
			return nil, fmt.Errorf("read weights: %w", err)
		}
	}
	return params, nil
}

// ReadFolder reads the model of a folder.
func ReadFolder(dir string) (engine.Shape, []float32, error) {
	var none engine.Shape
	config, err := readBounded(filepath.Join(dir, ConfigName), maxConfig)
	if err != nil {
		return none, nil, fmt.Errorf("read model %s: %w", dir, err)
	}
	shape, err := DecodeConfig(config)
	if err != nil {
		return none, nil, fmt.Errorf("read model %s: %w", dir, err)
	}
	f, err := os.Open(filepath.Join(dir, WeightsName))
	if err != nil {
		return none, nil, fmt.Errorf("read model: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return none, nil, fmt.Errorf("read model: %w", err)
	}
	params, err := ReadWeights(f, info.Size(), shape)
	if err != nil {
		return none, nil, fmt.Errorf("read model %s: %w", dir, err)
	}
	return shape, params, nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return b.Bytes(), nil
}
