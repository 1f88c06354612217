// Package reference checks tokenizers against other implementations: Hugging
// Face's for JavaScript reads our files and those of the kinds that we read, and
// packages that carry the public vocabularies of Llama 2, Mistral and Llama 3 are
// asked about those. It needs node and these packages (make tokenizer-test) and
// is skipped without them. It holds tests only.
package reference

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/tokenizer"
)

// Directory is where node_modules and reference.mjs lie.
const Directory = "CRESCENDO_TOKENIZERS"

// kept is how many answers are written down: not those to sources, which change.
const kept = 100

var update = flag.Bool("update", false, "write the ids of the small tokenizers anew")

type said struct {
	IDs   []int32 `json:"ids"`
	Start []int32 `json:"start"` // of "a", with what the folder puts before a text
	Text  string  `json:"text"`
}

func ask(t *testing.T, texts []string, args ...string) []said {
	t.Helper()
	dir := os.Getenv(Directory)
	if dir == "" {
		t.Skipf("%s is not set: make tokenizer-test", Directory)
	}
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "node", append([]string{filepath.Join(dir, "reference.mjs")}, args...)...)
	var complaints bytes.Buffer
	c.Stdin, c.Stderr = bytes.NewReader(in), &complaints
	out, err := c.Output()
	if err != nil {
		t.Fatalf("node reference.mjs %v: %v\n%s", args, err, complaints.Bytes())
	}
	if args[0] == "files" {
		return nil
	}
	var answers []said
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != len(texts) {
		t.Fatalf("node reference.mjs %v: %d answers to %d texts: %v", args, len(answers), len(texts), err)
	}
	return answers
}

// texts are whole characters, since JavaScript has no others; without U+0085 and
// U+FEFF, of which JavaScript thinks otherwise whether they are blanks; and
// without U+2581, which is a blank to some.
func texts(t *testing.T) []string {
	out := []string{
		"a", " ", "\n", "it's IT'S we'LL o'clock 'tis", "x\t\ty  z   ", "a\r\n\r\n  b", "1234567 ١٢٣٤ 12 a1b22",
		"func f(x int) {\n\t\tif x != 0 {\n\t\t\treturn\n\t\t}\n}\n", "naïve 日本語 🙂🙂 e\u0301", "\u00a0\u2003\u3000x", "…—«»",
		strings.Repeat("a", 300), strings.Repeat(" ", 300), strings.Repeat("ab", 70) + strings.Repeat("=", 90),
		" the License", "  the License", "Unless required by applicable law or agreed to in writing", " unmergeable zzqqy",
		"<tool_call>{}</tool_call> [TOOL]x [TOOL] y", "Ωμέγα \u212b \u1e9b\u0323", "                 x",
	}
	rng := rand.New(rand.NewPCG(5, 5))
	pieces := []string{"the", "License", "work", " ", " ", "  ", "        ", "\n", "\r\n", "\t", "1", "23", "x", "é", "日本", "🙂", "'s", "'S", "'re", "<tool_call>", "[TOOL]", "-", "..", "²", "\u0301"}
	for range 300 {
		var b strings.Builder
		for range 1 + rng.IntN(10) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		out = append(out, b.String())
	}
	for _, name := range []string{"../foreign.go", "../words.go", "../../LICENSE", "../../README.md"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.NewReplacer("▁", "_", "\ufeff", "").Replace(string(b)))
	}
	return out
}

func adopt(t *testing.T, path string, vocab int) *tokenizer.Tokenizer {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := tokenizer.Adopt(tokenizer.Folder{Tokenizer: file, Vocab: vocab, Config: []byte(`{"eos_token":"<|endoftext|>"}`)})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func compare(t *testing.T, tok *tokenizer.Tokenizer, text string, s said) {
	t.Helper()
	if got := tok.Encode([]byte(text)); !slices.Equal(got, s.IDs) {
		at := 0
		for at < min(len(got), len(s.IDs)) && got[at] == s.IDs[at] {
			at++
		}
		t.Errorf("%.200q: token %d differs: %v, want %v", text, at, clip(got, at), clip(s.IDs, at))
	}
	if s.Text != "" {
		if got := string(tok.Decode(s.IDs)); got != s.Text {
			t.Errorf("%.200q: decodes as %.200q, want %.200q", text, got, s.Text)
		}
	}
	if s.Start != nil {
		if got := tok.EncodePrompt([]byte("a")); !slices.Equal(got, s.Start) {
			t.Errorf("prompt \"a\" is %v, want %v", got, s.Start)
		}
	}
}

func clip(ids []int32, at int) []int32 { return ids[max(0, at-3):min(len(ids), at+5)] }

// TestSmall asks about the small tokenizers of package tokenizer. Its answers,
// written with -update, are what that package's own test compares with.
func TestSmall(t *testing.T) {
	files, err := filepath.Glob("../testdata/foreign/*.json")
	if err != nil || len(files) < 7 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			texts := texts(t)
			answers := ask(t, texts, "ids", file)
			tok := adopt(t, file, 1<<12)
			var lines bytes.Buffer
			for i, s := range answers {
				compare(t, tok, texts[i], s)
				if i >= kept {
					continue
				}
				line, err := json.Marshal(struct {
					Text string
					IDs  []int32
				}{texts[i], s.IDs})
				if err != nil {
					t.Fatal(err)
				}
				lines.Write(append(line, '\n'))
			}
			ids := strings.TrimSuffix(file, ".json") + ".ids"
			if *update {
				if err := os.WriteFile(ids, lines.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(ids); err != nil || !bytes.Equal(want, lines.Bytes()) {
				t.Errorf("%s is not what the reference says: %v", ids, err)
			}
		})
	}
}

// TestPublic compares on the vocabularies of Llama 2, Mistral and Llama 3.
func TestPublic(t *testing.T) {
	dir := t.TempDir()
	ask(t, nil, "files", dir)
	for name, vocab := range map[string]int{"llama2": 32000, "mistral": 32000, "llama3": 128256} {
		t.Run(name, func(t *testing.T) {
			texts := texts(t)
			file := filepath.Join(dir, name+".json")
			tok := adopt(t, file, vocab)
			for i, s := range ask(t, texts, "ids", file) {
				compare(t, tok, texts[i], s)
			}
			for i, s := range ask(t, texts, "own", name) {
				compare(t, tok, texts[i], s)
			}
		})
	}
}

// TestOurs has the reference read a tokenizer of our own kind.
func TestOurs(t *testing.T) {
	texts := texts(t)
	var sample [][]byte
	for _, s := range texts {
		sample = append(sample, []byte(s))
	}
	tok, err := tokenizer.Train(t.Context(), sample, 2048, nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := tok.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tokenizer.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, s := range ask(t, texts, "ids", file) {
		s.Start = nil // the file says of none: prompts begin with the end of a text by our own convention
		compare(t, tok, texts[i], s)
	}
}
