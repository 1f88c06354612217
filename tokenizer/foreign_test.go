package tokenizer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const foreignFolder = "testdata/foreign/"

// adopted loads one of the small tokenizers made for the tests.
func adopted(t testing.TB, name string) *Tokenizer {
	t.Helper()
	file, err := os.ReadFile(foreignFolder + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	data, err := Adopt(Folder{Tokenizer: file, Vocab: 1 << 12, Config: []byte(`{"eos_token":"<|endoftext|>"}`)})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	tok, err := Load(data)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return tok
}

var foreignNames = []string{"gpt2", "llama2", "llama3", "metaspace", "mistral", "qwen2", "smollm"}

// TestForeignFiles holds the small tokenizers: the ids that another
// implementation gives them (TestForeignIDs) are of these very files.
func TestForeignFiles(t *testing.T) {
	files := foreignFiles()
	if names := slices.Sorted(maps.Keys(files)); !slices.Equal(names, foreignNames) {
		t.Errorf("files are made for %v, tested are %v", names, foreignNames)
	}
	for name, made := range files {
		path := foreignFolder + name + ".json"
		if *update {
			if err := os.WriteFile(path, made, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(made, want) {
			t.Errorf("%s is not what makes it; with -update it is written anew, and then make tokenizer-test has to write the ids", path)
		}
	}
}

// TestForeignIDs compares with what Hugging Face's implementation gives; package
// reference asked it.
func TestForeignIDs(t *testing.T) {
	for _, name := range foreignNames {
		t.Run(name, func(t *testing.T) {
			tok := adopted(t, name)
			bulk := tok.NewBulk()
			f, err := os.Open(foreignFolder + name + ".ids")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			n := 0
			for lines := bufio.NewScanner(f); lines.Scan(); n++ {
				var want struct {
					Text string
					IDs  []int32
				}
				if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
					t.Fatal(err)
				}
				if got := tok.Encode([]byte(want.Text)); !slices.Equal(got, want.IDs) {
					t.Errorf("%q encodes to %v, want %v", want.Text, got, want.IDs)
				}
				if got := bulk.AppendEncode(nil, []byte(want.Text)); !slices.Equal(got, want.IDs) {
					t.Errorf("%q encodes in bulk to %v, want %v", want.Text, got, want.IDs)
				}
			}
			if n < 20 {
				t.Errorf("only %d texts compared", n)
			}
		})
	}
}

// foreignTexts are awkward in the ways that such tokenizers differ.
func foreignTexts() []string {
	texts := slices.Clone(awkward)
	for _, name := range foreignNames {
		for _, s := range []string{"a", " a  b", "\n a"} {
			texts = append(texts, s+name)
		}
	}
	rng := rand.New(rand.NewPCG(7, 7))
	pieces := []string{"the", "License", " ", " ", "  ", "        ", "\n", "\t", "1", "23", "x", "é", "日本", "🙂", "'s", "'S", "<tool_call>", "[TOOL]", "▁", "-", "..", "<|endoftext|>", "<s>", "\xff", "\u0301"}
	for range 400 {
		var b strings.Builder
		for range 1 + rng.IntN(10) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		texts = append(texts, b.String())
	}
	return texts
}

// TestForeignReadsBack holds what texts the tokenizers may lose: those of
// characters take "▁" for a blank, one of them a first blank of the text, and
// NFC composes characters.
func TestForeignReadsBack(t *testing.T) {
	for _, name := range foreignNames {
		tok, lost := adopted(t, name), 0
		for _, s := range foreignTexts() {
			ids := tok.Encode([]byte(s))
			back := string(tok.Decode(ids))
			want := s
			switch name {
			case "llama2":
				want = strings.ReplaceAll(s, blank, " ")
			case "mistral", "metaspace":
				want = strings.TrimPrefix(strings.ReplaceAll(s, blank, " "), " ")
			case "qwen2":
				want = string(norm.NFC.Bytes([]byte(s)))
			}
			if back != want {
				t.Errorf("%s: %q comes back as %q, want %q", name, s, back, want)
			}
			if tok.Loses([]byte(s)) != (back != s) {
				t.Errorf("%s: %q comes back as %q, which is not what Loses says", name, s, back)
			}
			if back != s {
				lost++
			}
			stream, joined := tok.NewStream(), []byte(nil)
			for _, id := range ids {
				part := stream.Push(id)
				if utf8.ValidString(s) && !utf8.Valid(part) {
					t.Errorf("%s: %q: part %q is cut within a character", name, s, part)
				}
				joined = append(joined, part...)
			}
			if joined = append(joined, stream.Flush()...); string(joined) != back {
				t.Errorf("%s: %q streams as %q, decodes as %q", name, s, joined, back)
			}
		}
		if gains := name == "llama3" || name == "gpt2" || name == "smollm"; gains != (lost == 0) {
			t.Errorf("%s: %d texts are lost", name, lost)
		}
	}
}

// Text never encodes to a control token, whatever it says.
func TestForeignControlTokensAreNotText(t *testing.T) {
	for _, name := range foreignNames {
		tok := adopted(t, name)
		if len(tok.foreign.names) == 0 {
			t.Errorf("%s has no control tokens", name)
		}
		for id, control := range tok.foreign.names {
			text := "a" + control + " " + control
			for _, got := range append(tok.Encode([]byte(text)), tok.Encode([]byte(control))...) {
				if tok.Control(got) != "" {
					t.Errorf("%s: %q encodes to %d, the control token %q", name, text, got, tok.Control(got))
				}
			}
			if back, ok := tok.ControlID(control); !ok || back != id || tok.TokenBytes(id) != nil {
				t.Errorf("%s: control token %q is %d, and %d with text %q", name, control, id, back, tok.TokenBytes(id))
			}
		}
	}
}

// Prompts begin as the folder says.
func TestForeignPrompt(t *testing.T) {
	for name, want := range map[string]string{
		"llama2": "<s>", "mistral": "<s>", "llama3": "<|begin_of_text|>", "qwen2": "", "smollm": "", "gpt2": "",
	} {
		tok := adopted(t, name)
		ids := tok.EncodePrompt([]byte("the"))
		if plain := tok.Encode([]byte("the")); want == "" && !slices.Equal(ids, plain) || want != "" && (tok.Control(ids[0]) != want || !slices.Equal(ids[1:], plain)) {
			t.Errorf("%s: prompt is %v, want %q before %v", name, ids, want, plain)
		}
		if empty := tok.EncodePrompt(nil); len(empty) != 1 || empty[0] != tok.Separator() {
			t.Errorf("%s: the empty prompt is %v, want the separator %d", name, empty, tok.Separator())
		}
		if want != "" && !slices.Contains(tok.Ends(), tok.Separator()) {
			t.Errorf("%s: ends are %v, without the separator", name, tok.Ends())
		}
	}
}

func TestForeignChat(t *testing.T) {
	chat := []Message{{"system", "be brief"}, {"user", " <|im_end|><|eot_id|>x "}}
	for name, want := range map[string]string{
		"qwen2":  "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\n {} <|im_end|>\n<|im_start|>assistant\n",
		"llama3": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nbe brief<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
		"gpt2":   "System: be brief\n\nUser:  {} \n\nAssistant:",
		"llama2": "<s> System: be brief\n\nUser:  {} \n\nAssistant:",
	} {
		tok := adopted(t, name)
		ids, err := tok.EncodeChat(chat)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, id := range ids {
			got.WriteString(tok.Control(id))
			got.Write(tok.TokenBytes(id))
		}
		if want := strings.ReplaceAll(want, "{}", "<|im_end|><|eot_id|>x"); got.String() != want {
			t.Errorf("%s: chat is %q, want %q", name, got.String(), want)
		}
		closed, err := tok.EncodeTurns(chat)
		if err != nil || len(closed) >= len(ids) {
			t.Errorf("%s: a closed chat has %d tokens, an open one %d: %v", name, len(closed), len(ids), err)
		}
		control := 0
		for _, id := range ids {
			if tok.Control(id) != "" {
				control++
			}
		}
		if wantControl := map[string]int{"qwen2": 5, "llama3": 9, "llama2": 1}[name]; control != wantControl {
			t.Errorf("%s: %d control tokens, want %d: a turn broke out", name, control, wantControl)
		}
		if _, err := tok.EncodeChat([]Message{{"tool", ""}}); err == nil {
			t.Errorf("%s: unknown role accepted", name)
		}
	}
}

// Texts of one word are merged through the heap, whatever the word begins with.
func TestForeignLongTexts(t *testing.T) {
	for _, name := range foreignNames {
		tok := adopted(t, name)
		for _, unit := range []string{"e", " ", "▁", "the", "1", "<tool_call", "'", "é", "\xff"} {
			s := strings.Repeat(unit, 1<<15/len(unit))
			if ids := tok.Encode([]byte(s)); len(ids) == 0 || len(ids) > len(s)+1 {
				t.Errorf("%s: %d bytes of %q encode to %d tokens", name, len(s), unit, len(ids))
			}
		}
	}
}

func TestAdoptRefuses(t *testing.T) {
	read := func(name string) []byte {
		data, err := os.ReadFile(foreignFolder + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, data); err != nil {
			t.Fatal(err)
		}
		return compact.Bytes()
	}
	for _, c := range []struct{ name, file, old, new, want string }{
		{"other model", "gpt2", `"type":"BPE"`, `"type":"Unigram"`, "only BPE is read"},
		{"other pattern", "llama3", `{1,3}`, `{1,4}`, `{1,4}`},
		{"other normalizer", "qwen2", `"NFC"`, `"NFKC"`, "NFKC"},
		{"blank before", "gpt2", `"add_prefix_space":false`, `"add_prefix_space":true`, "ByteLevel"},
		{"no bytes", "llama2", `"byte_fallback":true`, `"byte_fallback":false`, "is not read"},
		{"a byte lacks", "llama2", `"\u003c0x41\u003e":`, `"\u003c0xZZ\u003e":`, "<0x41>"},
		{"dropout", "gpt2", `"dropout":null`, `"dropout":0.1`, "at random"},
		{"suffix", "gpt2", `"dropout":null`, `"end_of_word_suffix":"x"`, "parts of words"},
		{"tokens after", "llama2", `{"Sequence":{"id":"A","type_id":0}}],"special`, `{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"\u003cs\u003e"}}],"special`, "before a text"},
		{"merge of a control", "gpt2", `"merges":["`, `"merges":["zzz q","`, "not a token of text"},
		{"merge without halves", "gpt2", `"merges":["`, `"merges":["a","`, "two tokens"},
		{"merge repeated", "gpt2", `"merges":["`, `"merges":["Ġ t","`, "repeated"},
		{"negative id", "gpt2", `"a":`, `"a":-`, "has id -"},
		{"huge id", "gpt2", `"a":`, `"a":99999`, "limit"},
		{"decoder", "mistral", `"ByteFallback"`, `"WordPiece"`, "WordPiece"},
		{"words", "mistral", `"split":false`, `"split":true`, "Metaspace"},
		{"no blanks back", "mistral", `"decoders":[`, `"x":[`, "blanks"},
		{"stripping token", "qwen2", `"lstrip":false,"normalized":false,"rstrip":false,"single_word":false,"special":false`, `"lstrip":true,"normalized":false,"special":false`, "takes blanks away"},
		{"not JSON", "gpt2", `{`, ``, "read tokenizer.json"},
	} {
		good := read(c.file)
		data := bytes.Replace(good, []byte(c.old), []byte(c.new), 1)
		if bytes.Equal(good, data) {
			t.Errorf("%s: %s is not in %s.json", c.name, c.old, c.file)
		}
		_, err := Adopt(Folder{Tokenizer: data, Vocab: 1 << 12, EOS: []int32{0}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
	gpt2 := read("gpt2")
	for name, f := range map[string]Folder{
		"no end":        {Tokenizer: gpt2, Vocab: 1 << 12},
		"small model":   {Tokenizer: gpt2, Vocab: 300, EOS: []int32{0}},
		"end is text":   {Tokenizer: gpt2, Vocab: 1 << 12, EOS: []int32{7}},
		"end not there": {Tokenizer: gpt2, Vocab: 1 << 12, EOS: []int32{1 << 13}},
		"config":        {Tokenizer: gpt2, Vocab: 1 << 12, EOS: []int32{0}, Config: []byte("{")},
	} {
		if _, err := Adopt(f); err == nil {
			t.Errorf("%s: adopted", name)
		}
	}
}

// What tokenizer_config.json says of the first token counts.
func TestAdoptConfig(t *testing.T) {
	file, err := os.ReadFile(foreignFolder + "llama2.json")
	if err != nil {
		t.Fatal(err)
	}
	for config, want := range map[string]string{
		`{}`:                      "[1] 1 [1 2]",
		`{"add_bos_token":false}`: "[] 2 [2]",
		`{"add_bos_token":true,"bos_token":{"content":"</s>"},"eos_token":"<unk>"}`: "[2] 2 [0 2]",
	} {
		data, err := Adopt(Folder{Tokenizer: file, Config: []byte(config), Vocab: 1 << 12, EOS: []int32{2}})
		if err != nil {
			t.Fatal(err)
		}
		tok, err := Load(data)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(tok.Start(), tok.Separator(), tok.Ends()); got != want || tok.Vocab() != 1<<12 {
			t.Errorf("%s: start, separator, ends are %s, want %s", config, got, want)
		}
	}
}

// What is of our own kind stays as it is, under its hash.
func TestAdoptLeavesOurs(t *testing.T) {
	ours, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Adopt(Folder{Tokenizer: ours}); err != nil || !bytes.Equal(got, ours) {
		t.Errorf("our own file is not kept as it is: %v", err)
	}
}

func FuzzAdopt(f *testing.F) {
	for _, name := range []string{"llama2", "mistral", "llama3", "qwen2", "smollm"} {
		file, err := os.ReadFile(foreignFolder + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file, []byte(`{"add_bos_token":true,"bos_token":"<s>"}`), "the text")
	}
	f.Add([]byte(`{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a","a"]]}}`), []byte(nil), "")
	f.Fuzz(func(t *testing.T, file, config []byte, text string) {
		data, err := Adopt(Folder{Tokenizer: file, Config: config, Vocab: 1 << 12, EOS: []int32{0}})
		if err != nil {
			return
		}
		tok, err := Load(data)
		if err != nil {
			t.Fatalf("what was adopted does not load: %v", err)
		}
		ids := tok.Encode([]byte(text))
		for _, id := range ids {
			if id < 0 || int(id) >= tok.Vocab() || tok.Control(id) != "" {
				t.Fatalf("%q encodes to %d", text, id)
			}
		}
		tok.Decode(ids)
	})
}
