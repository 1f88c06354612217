package engine

// A Batcher is a Model that can decode many sequences in one call. Engines that
// serve implement it; see package engine/serve, which schedules over it.
type Batcher interface {
	Model

	// Batch takes the parameters as they are now, as Session does, and memory for
	// the keys and values of a bounded number of tokens, divided into pages.
	Batch(BatchOptions) (Batch, error)
}

// BatchOptions bound the memory of a Batch.
type BatchOptions struct {
	Pages      int // in the pool
	PageTokens int // positions of one sequence that a page holds
	Rows       int // tokens in one Step
	LogitRows  int // rows of logits that one Step returns

	// Int8 keeps matrices as Q8_0 does, blocks of 32 with one scale, and rounds
	// what they are multiplied with to 8 bits too. It has other bits than R0, the
	// same ones on every machine: profile q8, docs/formats/q8.md.
	Int8 bool
}

// A Batch decodes sequences side by side. It is not safe for concurrent use. It
// trusts its caller about which pages belong to whom.
type Batch interface {
	// Step computes the runs, each of another sequence, and returns the logits
	// asked for: rows as wide as the vocabulary, run after run, valid until the
	// next call and not checked for being finite. A row has the bits that a Session
	// would give it, whatever else is in the batch. An error means that nothing was
	// done.
	Step(runs []Run) (logits []float32, err error)

	// Clear overwrites pages. It may be called while Step runs, for pages that no
	// run of that step has.
	Clear(pages []int32)

	// Close overwrites everything and frees it.
	Close()
}

// A Run is what one sequence has in a step: consecutive tokens.
type Run struct {
	Tokens   []int32
	Position int     // of the first token: how many came before
	Pages    []int32 // holding positions from 0 on; enough for the last token
	Logits   int     // how many of the last tokens need logits
}
