package program

import "fmt"

// What a model has where the programme does not say.
const (
	DefaultRopeTheta         = 10000
	DefaultNormEpsBillionths = 10000 // 1e-5
)

// RopeScaling stretches the rotary embedding, as Llama 3 and others do for long
// texts. Factors are in thousandths.
type RopeScaling struct {
	Kind       string `pb:"1" yaml:"kind"` // linear or llama3; empty: none
	Factor     uint32 `pb:"2" yaml:"factor-thousandths"`
	LowFactor  uint32 `pb:"3" yaml:"low-factor-thousandths"` // llama3 only, and so on
	HighFactor uint32 `pb:"4" yaml:"high-factor-thousandths"`
	Original   uint32 `pb:"5" yaml:"original-context"`
}

// Vocabulary returns the model's own vocabulary, or the corpus's where the
// model names none.
func (m Model) Vocabulary(corpus uint32) uint32 {
	if m.Vocab != 0 {
		return m.Vocab
	}
	return corpus
}

// plain returns the model with everything said that a programme may leave out.
func (m Model) plain(corpus uint32) Model {
	m.Vocab, m.RopeTheta, m.NormEpsBillionths = m.Vocabulary(corpus), m.Theta(), m.EpsBillionths()
	return m
}

// Theta is the base of the rotary embedding.
func (m Model) Theta() uint32 {
	if m.RopeTheta != 0 {
		return m.RopeTheta
	}
	return DefaultRopeTheta
}

// EpsBillionths is what RMSNorm adds to the mean square.
func (m Model) EpsBillionths() uint32 {
	if m.NormEpsBillionths != 0 {
		return m.NormEpsBillionths
	}
	return DefaultNormEpsBillionths
}

func (m Model) validateExtras() error {
	const most = 1000000000
	r := m.RopeScaling
	switch {
	case m.RopeTheta > most:
		return fmt.Errorf("rope-theta: %d, at most %d", m.RopeTheta, most)
	case m.NormEpsBillionths > most:
		return fmt.Errorf("norm-eps-billionths: %d, at most %d", m.NormEpsBillionths, most)
	case r == (RopeScaling{}):
		return nil
	case r.Kind != "linear" && r.Kind != "llama3":
		return fmt.Errorf("rope-scaling: kind: %q, want linear or llama3", clip(r.Kind))
	case r.Factor < 1000 || r.Factor > 10000000:
		return fmt.Errorf("rope-scaling: factor-thousandths: %d, want 1000 to 10000000", r.Factor)
	case r.Kind == "linear" && r != (RopeScaling{Kind: r.Kind, Factor: r.Factor}):
		return fmt.Errorf("rope-scaling: linear has a factor only")
	case r.Kind == "llama3" && (r.LowFactor == 0 || r.HighFactor <= r.LowFactor || r.HighFactor > 10000000):
		return fmt.Errorf("rope-scaling: low-factor-thousandths: %d and %d, want the high one above the low one", r.LowFactor, r.HighFactor)
	case r.Kind == "llama3" && (r.Original == 0 || r.Original > maxModel):
		return fmt.Errorf("rope-scaling: original-context: %d, want 1 to %d", r.Original, maxModel)
	}
	return nil
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
	if m.QKVBias {
		layer += dim + 2*kv
	}
	if m.OutBias {
		layer += dim
	}
	if m.FFNBias {
		layer += 2*ffn + dim
	}
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

// String writes the model as a line of a programme file.
func (m Model) String() string {
	text := fmt.Sprintf("{dim: %d, layers: %d, heads: %d, kv-heads: %d, ffn: %d, context: %d, tied: %v", m.Dim, m.Layers, m.Heads, m.KVHeads, m.FFN, m.Context, m.Tied)
	for _, f := range []struct {
		name  string
		value uint32
	}{{"vocab", m.Vocab}, {"rope-theta", m.RopeTheta}, {"norm-eps-billionths", m.NormEpsBillionths}} {
		if f.value != 0 {
			text += fmt.Sprintf(", %s: %d", f.name, f.value)
		}
	}
	for _, f := range []struct {
		name string
		has  bool
	}{{"qkv-bias", m.QKVBias}, {"out-bias", m.OutBias}, {"ffn-bias", m.FFNBias}} {
		if f.has {
			text += ", " + f.name + ": true"
		}
	}
	if r := m.RopeScaling; r != (RopeScaling{}) {
		text += fmt.Sprintf(", rope-scaling: {kind: %s, factor-thousandths: %d", r.Kind, r.Factor)
		if r.Original != 0 {
			text += fmt.Sprintf(", low-factor-thousandths: %d, high-factor-thousandths: %d, original-context: %d", r.LowFactor, r.HighFactor, r.Original)
		}
		text += "}"
	}
	return text + "}"
}
