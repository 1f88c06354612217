package tokenizer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
)

// The small tokenizers of testdata/foreign, one for each form that is read. Ids
// and order differ from ours on purpose.

// fixedText never changes.
var fixedText = sync.OnceValue(func() []byte {
	text, err := os.ReadFile("../LICENSE")
	if err != nil {
		panic(err)
	}
	return text
})

type object = map[string]any

func specials(from int, names ...string) (added []object) {
	for i, name := range names {
		added = append(added, special(from+i, name))
	}
	return added
}

func special(id int, name string) object {
	return object{"id": id, "content": name, "special": true, "normalized": false, "lstrip": false, "rstrip": false, "single_word": false}
}

func text(id int, content string, normalized bool) object {
	o := special(id, content)
	o["special"], o["normalized"] = false, normalized
	return o
}

// beginsWith is a post-processor that puts a token before a text.
func beginsWith(name string, id int) object {
	return object{"type": "TemplateProcessing",
		"single":         []object{{"SpecialToken": object{"id": name, "type_id": 0}}, {"Sequence": object{"id": "A", "type_id": 0}}},
		"pair":           []object{{"Sequence": object{"id": "A", "type_id": 0}}, {"Sequence": object{"id": "B", "type_id": 1}}},
		"special_tokens": object{name: object{"id": name, "ids": []int{id}, "tokens": []string{name}}}}
}

func sequence(key string, steps ...object) object { return object{"type": "Sequence", key: steps} }

func byteLevel(regex bool) object {
	return object{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex}
}

func split(pattern string) object {
	return object{"type": "Split", "pattern": object{"Regex": pattern}, "behavior": "Isolated", "invert": false}
}

// foreignFiles makes all of them.
func foreignFiles() map[string][]byte {
	files := map[string]object{}
	vocab, merges := bytePairs()
	n := len(vocab)
	plain := object{"type": "BPE", "dropout": nil, "unk_token": nil, "byte_fallback": false, "fuse_unk": false, "ignore_merges": false, "vocab": vocab, "merges": merges}
	base := func(model, pre object) object {
		return object{"version": "1.0", "truncation": nil, "padding": nil, "normalizer": nil, "pre_tokenizer": pre, "post_processor": nil,
			"decoder": object{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}, "model": model}
	}
	llama3 := maps.Clone(plain)
	llama3["ignore_merges"], llama3["merges"] = true, pairsOf(merges)
	llama3["vocab"] = with(vocab, "Ġunmergeable", "zzqqy")
	files["llama3"] = base(llama3, sequence("pretokenizers", split(Pattern), byteLevel(false)))
	files["llama3"]["added_tokens"] = specials(n+2, "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
	files["llama3"]["post_processor"] = sequence("processors", byteLevel(true), beginsWith("<|begin_of_text|>", n+2))
	files["qwen2"] = base(plain, sequence("pretokenizers", split(patternQwen), byteLevel(false)))
	files["qwen2"]["normalizer"] = object{"type": "NFC"}
	files["qwen2"]["post_processor"] = byteLevel(false)
	files["qwen2"]["added_tokens"] = append(specials(n, "<|endoftext|>", "<|im_start|>", "<|im_end|>"), text(n+3, "<tool_call>", false), text(n+4, "</tool_call>", false))
	smollm := maps.Clone(plain)
	smollm["vocab"] = shifted(vocab, "<|endoftext|>", "<|im_start|>", "<|im_end|>")
	files["smollm"] = base(smollm, sequence("pretokenizers", object{"type": "Digits", "individual_digits": true}, byteLevel(true)))
	files["smollm"]["added_tokens"] = append(specials(0, "<|endoftext|>", "<|im_start|>", "<|im_end|>"), text(n+3, "        ", true))
	files["gpt2"] = base(plain, byteLevel(true))
	files["gpt2"]["added_tokens"] = specials(n, "<|endoftext|>")
	for name, file := range charFiles() {
		files[name] = file
	}
	out := map[string][]byte{}
	for name, file := range files {
		data, err := json.MarshalIndent(file, "", " ")
		if err != nil {
			panic(err)
		}
		out[name] = append(data, '\n')
	}
	return out
}

// bytePairs is our own training under other ids.
func bytePairs() (object, []string) {
	tok, err := Train(context.Background(), [][]byte{fixedText()}, 700, nil)
	if err != nil {
		panic(err)
	}
	vocab, merges := object{}, []string{}
	for b := range 256 {
		vocab[spell([]byte{byte(255 - b)})] = b
	}
	for _, m := range tok.merges {
		left, right := spell(tok.tokens[m.left]), spell(tok.tokens[m.right])
		merges = append(merges, left+" "+right)
		if _, known := vocab[left+right]; !known {
			vocab[left+right] = len(vocab)
		}
	}
	return vocab, merges
}

func with(vocab object, words ...string) object {
	vocab = maps.Clone(vocab)
	for _, w := range words {
		vocab[w] = len(vocab)
	}
	return vocab
}

// shifted puts tokens before all others.
func shifted(vocab object, first ...string) object {
	out := object{}
	for i, name := range first {
		out[name] = i
	}
	for s, id := range vocab {
		out[s] = id.(int) + len(first)
	}
	return out
}

func pairsOf(merges []string) (pairs [][]string) {
	for _, m := range merges {
		pairs = append(pairs, strings.Split(m, " "))
	}
	return pairs
}

func charFiles() map[string]object {
	vocab, merges := charPairs(400)
	decoders := []object{{"type": "Replace", "pattern": object{"String": blank}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
		{"type": "Strip", "content": " ", "start": 1, "stop": 0}}
	base := func() object {
		return object{"version": "1.0", "truncation": nil, "padding": nil, "normalizer": nil, "pre_tokenizer": nil,
			"added_tokens": specials(0, "<unk>", "<s>", "</s>"), "post_processor": beginsWith("<s>", 1), "decoder": sequence("decoders", decoders...),
			"model": object{"type": "BPE", "dropout": nil, "unk_token": "<unk>", "byte_fallback": true, "fuse_unk": true, "ignore_merges": false, "vocab": vocab, "merges": merges}}
	}
	llama2 := base()
	llama2["normalizer"] = sequence("normalizers", object{"type": "Prepend", "prepend": blank}, object{"type": "Replace", "pattern": object{"String": " "}, "content": blank})
	mistral := base()
	mistral["pre_tokenizer"] = object{"type": "Metaspace", "replacement": blank, "prepend_scheme": "first", "split": false}
	mistral["added_tokens"] = append(specials(0, "<unk>", "<s>", "</s>"), text(len(vocab), "[TOOL]", false))
	words := base()
	words["pre_tokenizer"] = object{"type": "Metaspace", "replacement": blank, "prepend_scheme": "always", "split": false}
	return map[string]object{"llama2": llama2, "mistral": mistral, "metaspace": words}
}

// charPairs trains on characters as SentencePiece does, the slow way.
func charPairs(tokens int) (object, []string) {
	vocab, merges := object{"<unk>": 0, "<s>": 1, "</s>": 2}, []string{}
	for b := range 256 {
		vocab[fmt.Sprintf("<0x%02X>", b)] = len(vocab)
	}
	var words [][]string
	for _, w := range strings.Fields(string(fixedText()[:4000]) + " naïve 日本語 日本") {
		words = append(words, strings.Split(blank+w, ""))
	}
	words = append(words, strings.Split(strings.Repeat(blank, 12), ""))
	chars := map[string]bool{}
	for _, w := range words {
		for _, c := range w {
			chars[c] = true
		}
	}
	for _, c := range slices.Sorted(maps.Keys(chars)) {
		vocab[c] = len(vocab)
	}
	for range tokens {
		counts := map[[2]string]int{}
		for _, w := range words {
			for i := range len(w) - 1 {
				counts[[2]string(w[i:])]++
			}
		}
		best := slices.MinFunc(slices.Collect(maps.Keys(counts)), func(a, b [2]string) int {
			return cmp.Or(counts[b]-counts[a], cmp.Compare(a[0]+" "+a[1], b[0]+" "+b[1]))
		})
		merges = append(merges, best[0]+" "+best[1])
		if _, known := vocab[best[0]+best[1]]; !known {
			vocab[best[0]+best[1]] = len(vocab)
		}
		for k, w := range words {
			for i := 0; i+1 < len(w); i++ {
				if w[i] == best[0] && w[i+1] == best[1] {
					w = slices.Replace(w, i, i+2, best[0]+best[1])
				}
			}
			words[k] = w
		}
	}
	return vocab, merges
}
