package desk

import (
	"strconv"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/research"
)

// dataFields choose what a recipe is trained on.
var dataFields = []field{
	{name: "mix", label: "Mix of documents", kind: "text", optional: true,
		hint: "how often documents are drawn, per mille, by the beginning or end of their paths: doc/=2000 *_test.go=500"},
	{name: "min-bytes", label: "Least bytes of a document", kind: "number", optional: true},
	{name: "max-bytes", label: "Most bytes of a document", kind: "number", optional: true},
	{name: "max-tokens", label: "Most tokens per KiB", kind: "number", hint: "tables and encoded data need many", optional: true},
	{name: "vocabulary", label: "Vocabulary", kind: "number", hint: "tokens of a tokenizer of your own, trained on the programme's text", optional: true},
	{name: "sample-bytes", label: "Text its tokenizer learns from", kind: "number", hint: "bytes", optional: true},
	{name: "shard", label: "Text of your own", kind: "text", hint: "the name that `crescendo research shard` prints; its documents lie under shard/", optional: true},
}

// data reads what a recipe chooses to be trained on.
func (w wish) data(r *research.Recipe, n *numbers) error {
	n.into("min-bytes", &r.Filter.MinBytes)
	n.into("max-bytes", &r.Filter.MaxBytes)
	n.into("max-tokens", &r.Filter.MaxTokensPerKiB)
	var sample uint32
	n.into("vocabulary", &r.Tokenizer.Vocabulary)
	n.into("sample-bytes", &sample)
	r.Tokenizer.SampleBytes = uint64(sample)
	for _, part := range strings.Fields(w.form["mix"]) {
		m, err := mixWeight(part)
		if err != nil {
			return err
		}
		r.Mix = append(r.Mix, m)
	}
	research.SortMix(r.Mix)
	name := strings.ToLower(strings.TrimSpace(w.form["shard"]))
	if name == "" {
		return nil
	}
	h, err := crescendo.ParseHash(name)
	if err != nil {
		return crescendo.Errorf(crescendo.CodeInvalid, "text of your own %.80q: want the name of packed text, 64 hexadecimal digits", name).
			WithHint("pack it with `crescendo research shard`")
	}
	r.Shard = h
	return nil
}

// mixWeight reads "doc/=2000" and "*.md=500".
func mixWeight(part string) (research.MixWeight, error) {
	var m research.MixWeight
	path, weight, ok := strings.Cut(part, "=")
	v, err := strconv.ParseUint(weight, 10, 32)
	if !ok || err != nil {
		return m, crescendo.Errorf(crescendo.CodeInvalid, "mix %.80q: want a path and its weight per mille, such as doc/=2000 or *_test.go=500", part)
	}
	m.PerMille = uint32(v)
	if suffix, ok := strings.CutPrefix(path, "*"); ok {
		m.Suffix = suffix
	} else {
		m.Prefix = path
	}
	return m, nil
}
