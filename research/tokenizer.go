package research

// Bounds on a recipe's tokenizer. Control tokens and the 256 bytes take 261 ids.
const (
	minVocabulary  = 261
	maxVocabulary  = 1 << 16
	minSampleBytes = 1 << 12
	maxSampleBytes = 64 << 20
)

// Tokenizer is how a recipe has text cut into tokens: everybody trains such a
// tokenizer on the programme's own training documents, in the same way, and
// packs the same documents with it.
type Tokenizer struct {
	Vocabulary  uint32 `pb:"1" yaml:"vocabulary"`             // token ids, control tokens included
	SampleBytes uint64 `pb:"2" yaml:"sample-bytes,omitempty"` // of training text it learns from; 0: as much as the programme's
}

// None reports whether text is cut as the programme says.
func (t Tokenizer) None() bool { return t == Tokenizer{} }

func (t Tokenizer) check() error {
	switch {
	case t.None():
		return nil
	case t.Vocabulary < minVocabulary || t.Vocabulary > maxVocabulary:
		return bad("tokenizer.vocabulary: %d, want %d to %d", t.Vocabulary, minVocabulary, maxVocabulary)
	case t.SampleBytes != 0 && (t.SampleBytes < minSampleBytes || t.SampleBytes > maxSampleBytes):
		return bad("tokenizer.sample-bytes: %d, want %d to %d", t.SampleBytes, minSampleBytes, maxSampleBytes)
	}
	return nil
}
