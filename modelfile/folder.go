// Package modelfile writes and reads models as Hugging Face folders: config.json
// for a LlamaForCausalLM, safetensors in one file or several with an index,
// generation_config.json, a model card, and the tokenizer's files as they are. Any
// program that loads Llama models can load what it writes, and it reads such
// folders from strangers: what the engine would compute wrongly is refused by
// name. Package gguf below it writes the other common format. It seals and trains
// nothing and downloads nothing.
package modelfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/crescendo-network/crescendo/engine"
)

// Names of the files of a folder. A folder without a config.json is no model.
const (
	ConfigName     = "config.json"
	GenerationName = "generation_config.json"
	WeightsName    = "model.safetensors"
	IndexName      = "model.safetensors.index.json"
	CardName       = "README.md"
)

// passedOn are the files that are kept as they are.
var passedOn = []string{"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"}

// maxPassedOn bounds one of them; the largest tokenizers take about 20 MB.
const maxPassedOn = 64 << 20

// Errors that callers may tell apart.
var (
	// ErrMismatch means that tensors do not fit the shape they are read for.
	ErrMismatch = errors.New("tensors do not fit the shape")
	// ErrIndex means that the index of a folder in several files is not usable.
	ErrIndex = errors.New("not a valid index of weights")
)

// MaxParameters bounds what is read into memory.
const MaxParameters = 1 << 33

// DefaultShardBytes is the size above which weights are cut into several files.
const DefaultShardBytes = 5_000_000_000

// A Folder is what a model's folder holds.
type Folder struct {
	Shape      engine.Shape
	Params     []float32
	Generation Generation
	Card       *Card             // nil for none; not read back
	Files      map[string][]byte // by name: those of the tokenizer
}

// A Layout says how weights are written. The zero value is the default.
type Layout struct {
	Type       string // of the numbers: safetensors.F32 if empty, BF16 or F16
	ShardBytes int64  // DefaultShardBytes if zero
}

// openRegular opens a file, which in a stranger's folder could be a pipe: to open
// one waits for whoever writes into it.
func openRegular(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	return f, info.Size(), err
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, _, err := openRegular(path)
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

// plainName reports whether a name stays inside the folder.
func plainName(name string) bool {
	return name != "" && name == filepath.Base(name) && name != "." && name != ".." && !bytes.ContainsAny([]byte(name), `/\`)
}
