package program

// Vocabulary returns the model's own vocabulary, or the corpus's where the
// model names none.
func (m Model) Vocabulary(corpus uint32) uint32 {
	if m.Vocab != 0 {
		return m.Vocab
	}
	return corpus
}

// Parameters returns the exact number of weights of a model with the given
// vocabulary, norms included.
func Parameters(m Model, vocab uint32) uint64 {
	if m.Heads == 0 {
		return 0
	}
	dim, layers, ffn := uint64(m.Dim), uint64(m.Layers), uint64(m.FFN)
	kv := dim / uint64(m.Heads) * uint64(m.KVHeads)
	layer := 2*dim*dim + 2*dim*kv + 3*dim*ffn + 2*dim
	embedding := uint64(vocab) * dim
	if !m.Tied {
		embedding *= 2
	}
	return embedding + layers*layer + dim
}

// Parameters returns the number of weights of the rung's model.
func (s Spec) Parameters(rung int) uint64 {
	m := s.Rungs[rung].Model
	return Parameters(m, m.Vocabulary(s.Corpus.Vocabulary))
}

// RoundTokens is the number of target tokens a trainer works through in one
// round.
func (r Rung) RoundTokens() uint64 {
	return uint64(r.Training.Steps) * uint64(r.Training.Sequences) * uint64(r.Model.Context)
}

// Tokens is the rung's budget when every seat works in every round.
func (r Rung) Tokens(trainers uint32) uint64 {
	return r.RoundTokens() * uint64(r.Training.Rounds) * uint64(trainers)
}
