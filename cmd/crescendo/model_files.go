package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/modelfile"
	"github.com/crescendo-network/crescendo/modelfile/gguf"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/role/actor"
	"github.com/spf13/cobra"
)

// readModel reads a folder and says what to do about one that is not ours to run.
func readModel(dir string) (modelfile.Folder, error) {
	f, err := modelfile.ReadFolder(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return f, crescendo.Errorf(crescendo.CodeNotFound, "%v", err).
			WithHint("name a folder with config.json and its safetensors, such as `crescendo model export` writes")
	case errors.Is(err, modelfile.ErrConfig), errors.Is(err, modelfile.ErrMismatch):
		return f, crescendo.Errorf(crescendo.CodeInvalid, "%v", err).
			WithHint("the engine runs Llama, Qwen 2 and Mixtral models with linear, llama3 or no scaling of positions; not those with sliding windows, or with weights in fewer than 16 bits")
	}
	return f, err
}

// writeFile writes a file beside its name and renames it when it is complete.
func writeFile(path string, fill func(io.Writer) error) (int64, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	err = errors.Join(fill(f), f.Chmod(0o644), f.Sync())
	info, statErr := f.Stat()
	if err = errors.Join(err, statErr, f.Close()); err != nil {
		return 0, err
	}
	return info.Size(), os.Rename(f.Name(), path)
}

// convert writes a folder as GGUF.
func (c *cli) convert() *cobra.Command {
	var out, kind string
	cmd := &cobra.Command{
		Use: "convert DIR --out FILE.gguf [--type f32|f16|q8_0]", Short: "Write a Hugging Face folder as a GGUF file, for llama.cpp", Args: arguments("DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			if out == "" {
				return usagef("--out is missing").hinted("name a file to write, such as model.gguf")
			}
			t, err := gguf.ParseType(kind)
			if err != nil {
				return usagef("--type: %v", err)
			}
			f, err := readModel(args[0])
			if err != nil {
				return err
			}
			v, err := vocabularyOf(f)
			if err != nil {
				return fmt.Errorf("convert %s: %w", args[0], err)
			}
			if v == nil {
				c.note("the folder has no tokenizer.json: programs will have to give token ids")
			}
			m := gguf.Model{Name: filepath.Base(args[0]), Shape: f.Shape, Params: f.Params, Type: t, Vocabulary: v}
			size, err := writeFile(out, func(w io.Writer) error { return gguf.WriteModel(w, m) })
			if err != nil {
				return fmt.Errorf("convert %s: %w", args[0], err)
			}
			return c.print(map[string]any{"file": out, "type": t.String(), "parameters": f.Shape.Parameters(), "bytes": size},
				func(w writer) { fmt.Fprintf(w, "wrote %s: %s, %d bytes\n", out, t, size) })
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write")
	cmd.Flags().StringVar(&kind, "type", "q8_0", "how matrices are stored: f32, f16 or q8_0")
	return cmd
}

// vocabularyOf gathers from a folder what GGUF wants to know of the tokenizer, nil
// if there is none.
func vocabularyOf(f modelfile.Folder) (*gguf.Vocabulary, error) {
	raw, ok := f.Files["tokenizer.json"]
	if !ok {
		return nil, nil
	}
	v, err := gguf.ParseTokenizer(raw)
	if err != nil {
		return nil, err
	}
	if f.Generation.BOS != nil {
		v.BOS = *f.Generation.BOS
	}
	if len(f.Generation.EOS) > 0 {
		v.EOS = f.Generation.EOS[0]
	}
	if len(f.Generation.EOS) > 1 {
		v.EOT = f.Generation.EOS[1]
	}
	var settings struct {
		AddBOS   bool            `json:"add_bos_token"`
		Template json.RawMessage `json:"chat_template"`
	}
	if b, ok := f.Files["tokenizer_config.json"]; ok {
		if err := json.Unmarshal(b, &settings); err != nil {
			return nil, fmt.Errorf("tokenizer_config.json: %w", err)
		}
	}
	v.AddBOS = settings.AddBOS
	if b, ok := f.Files["chat_template.jinja"]; ok {
		v.ChatTemplate = string(b)
	} else if len(settings.Template) > 0 {
		// A list of named templates is not carried over.
		_ = json.Unmarshal(settings.Template, &v.ChatTemplate)
	}
	return v, nil
}

// importModel makes a rung's starting point of a foreign model.
func (c *cli) importModel() *cobra.Command {
	var programme, out string
	var rung uint32
	cmd := &cobra.Command{
		Use: "import DIR --program FILE --rung N --out FILE", Short: "Make a rung's base checkpoint of a Llama model in a Hugging Face folder", Args: arguments("DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			if out == "" || programme == "" {
				return usagef("--program or --out is missing").hinted("name the programme file whose rung is to start there, and a file to write")
			}
			spec, _, err := programfile.Load(programme)
			if err != nil {
				return err
			}
			f, err := readModel(args[0])
			if err != nil {
				return err
			}
			m, err := actor.Import(f, spec, crescendo.RungID(rung))
			if err != nil {
				return err
			}
			size, err := writeFile(out, func(w io.Writer) error { _, err := w.Write(m.Checkpoint); return err })
			if err != nil {
				return fmt.Errorf("import %s: %w", args[0], err)
			}
			report := importedJSON{Rung: rung, Checkpoint: blob.Sum(m.Checkpoint), File: out, Parameters: f.Shape.Parameters(), Bytes: size}
			if m.Unusable != nil {
				c.note("no rung can start from it yet: no corpus can be packed with its tokenizer: %v", m.Unusable)
			} else {
				name := blob.Sum(m.Tokenizer)
				report.Tokenizer = &name
			}
			return c.print(report, func(w writer) { report.write(w) })
		},
	}
	cmd.Flags().StringVar(&programme, "program", "", "programme file that describes the rung")
	cmd.Flags().Uint32Var(&rung, "rung", 1, "rung of the ladder, counted from 1")
	cmd.Flags().StringVar(&out, "out", "", "file to write the checkpoint to")
	return cmd
}

type importedJSON struct {
	Rung       uint32          `json:"rung"`
	Checkpoint crescendo.Hash  `json:"checkpoint"`
	Tokenizer  *crescendo.Hash `json:"tokenizer"` // null: no corpus can be packed with it
	File       string          `json:"file"`
	Parameters int             `json:"parameters"`
	Bytes      int64           `json:"bytes"`
}

func (i importedJSON) write(w writer) {
	fmt.Fprintf(w, "wrote checkpoint %s of rung %d, round 0, to %s\n", i.Checkpoint, i.Rung, i.File)
	if i.Tokenizer != nil {
		fmt.Fprintf(w, "to start the rung from it, say so in the programme:\n    start: {from: checkpoint, checkpoint: %s, tokenizer: %s}\n", i.Checkpoint, i.Tokenizer)
	}
}
