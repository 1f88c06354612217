package tokenizer

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	goldenFile   = "testdata/tokenizer.json"
	goldenVector = "testdata/vectors.txt"
)

// goldenSample is fixed text; training on it must give goldenFile for ever.
func goldenSample() [][]byte {
	text := "the cat sat on the mat; the bat sat on the hat. That's what it's for!\n\tif x == 10 { return the.cat }\n"
	return [][]byte{[]byte(strings.Repeat(text, 3)), []byte("naïve 日本語 日本 🙂 <|end|>\r\n")}
}

// TestGolden holds the format and the training: another implementation that
// reads the file must give the ids in the vectors.
func TestGolden(t *testing.T) {
	tok, err := Train(t.Context(), goldenSample(), 320, nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := tok.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var vectors bytes.Buffer
	for _, s := range append([]string{"the cat's hat on the mat\n"}, awkward[:17]...) {
		fmt.Fprintf(&vectors, "%q %v\n", s, tok.Encode([]byte(s)))
	}
	for name, got := range map[string][]byte{goldenFile: data, goldenVector: vectors.Bytes()} {
		if *update {
			if err := os.WriteFile(name, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s has changed: files in the wild would mean something else", name)
		}
	}
	if _, err := Load(data); err != nil {
		t.Error(err)
	}
}

func TestLoadRefuses(t *testing.T) {
	good, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) []byte {
		out := bytes.Replace(good, []byte(old), []byte(new), 1)
		if bytes.Equal(out, good) {
			t.Fatalf("%q is not in the file", old)
		}
		return out
	}
	for name, data := range map[string][]byte{
		"nothing":            nil,
		"not JSON":           []byte("{"),
		"empty object":       []byte("{}"),
		"other kind":         edit(`"BPE"`, `"WordPiece"`),
		"other pattern":      edit(`{1,3}`, `{1,2}`),
		"a normalizer":       edit(`"normalizer":null`, `"normalizer":{"type":"NFC"}`),
		"ids exchanged":      edit(`"!":38,"\"":39`, `"!":39,"\"":38`),
		"control not marked": edit(`"special":true`, `"special":false`),
		"unknown merge":      edit(`"merges":["`, `"merges":["zzz q","`),
		"merge of a control": edit(`"merges":["`, `"merges":["<|end|> a","`),
		"unknown key":        edit(`"version"`, `"extra":1,"version"`),
		"trailing data":      append(bytes.Clone(good), '\n'),
		"truncated":          good[:len(good)-1],
		"oversized":          make([]byte, MaxFileBytes+1),
	} {
		if _, err := Load(data); err == nil {
			t.Errorf("%s: loaded", name)
		} else if !strings.HasPrefix(err.Error(), "load tokenizer: ") {
			t.Errorf("%s: error %q does not say what was being done", name, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	good, err := os.ReadFile(goldenFile)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"model":{"vocab":{"a":-1},"merges":["a a"]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := Load(data)
		if err != nil {
			return
		}
		if again, err := tok.MarshalJSON(); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("a file that loads is not what is written: %v", err)
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	for _, s := range awkward {
		f.Add([]byte(s))
	}
	tok := trained()
	f.Fuzz(func(t *testing.T, text []byte) {
		ids := tok.Encode(text)
		if got := tok.Decode(ids); !bytes.Equal(got, text) {
			t.Fatalf("%q comes back as %q", text, got)
		}
		stream, joined := tok.NewStream(), []byte(nil)
		for _, id := range ids {
			joined = append(joined, stream.Push(id)...)
		}
		if joined = append(joined, stream.Flush()...); !bytes.Equal(joined, text) {
			t.Fatalf("%q streams as %q", text, joined)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	tok := trained()
	text := bytes.Join(sample(), nil)
	for name, encode := range map[string]func(){
		"plain": func() { tok.Encode(text) },
		"bulk":  func() { tok.NewBulk().AppendEncode(nil, text) },
		"long":  func() { tok.Encode(bytes.Repeat([]byte("e"), len(text))) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				encode()
			}
		})
	}
}
