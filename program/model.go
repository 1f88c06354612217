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

// MaxExperts bounds Model.Experts. With the other bounds every count of
// parameters stays inside 64 bits.
const MaxExperts = 1024

// Mixture reports whether the model is a mixture of experts.
func (m Model) Mixture() bool { return m.Experts > 0 }

func (m Model) validateExperts() error {
	const million = 1000000
	switch {
	case m.Experts == 0 && m.ExpertsPerToken != 0:
		return fmt.Errorf("experts-per-token: %d, but the model has no experts; say experts: too, or neither", m.ExpertsPerToken)
	case m.Experts == 0 && m.BalanceMillionths != 0:
		return fmt.Errorf("balance-millionths: %d, but the model has no experts; say experts: too, or leave it out", m.BalanceMillionths)
	case m.Experts == 0:
		return nil
	case m.Experts < 2 || m.Experts > MaxExperts:
		return fmt.Errorf("experts: %d, want 2 to %d, or leave it out for a plain model", m.Experts, MaxExperts)
	case m.ExpertsPerToken == 0 || m.ExpertsPerToken > m.Experts:
		return fmt.Errorf("experts-per-token: %d, want 1 to %d, which is how many experts there are", m.ExpertsPerToken, m.Experts)
	case m.BalanceMillionths > million:
		return fmt.Errorf("balance-millionths: %d, at most %d", m.BalanceMillionths, million)
	case m.FFNBias:
		return fmt.Errorf("ffn-bias: experts have no biases; leave it out")
	}
	return nil
}

// Parameters returns the exact number of weights of a model with the given
// vocabulary, norms included.
func Parameters(m Model, vocab uint32) uint64 { return m.count(vocab, m.Experts) }

// ActiveParameters returns how many of them one token uses: all, unless the
// model is a mixture of experts.
func ActiveParameters(m Model, vocab uint32) uint64 { return m.count(vocab, m.ExpertsPerToken) }

// count counts so many experts a layer.
func (m Model) count(vocab, experts uint32) uint64 {
	if m.Heads == 0 {
		return 0
	}
	dim, layers, ffn := uint64(m.Dim), uint64(m.Layers), uint64(m.FFN)
	kv := dim / uint64(m.Heads) * uint64(m.KVHeads)
	feed := 3 * dim * ffn
	if m.Mixture() {
		feed = uint64(experts)*feed + uint64(m.Experts)*dim // all of the router
	}
	layer := 2*dim*dim + 2*dim*kv + feed + 2*dim
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

// ActiveParameters returns how many weights of the rung's model a token uses.
func (s Spec) ActiveParameters(rung int) uint64 {
	m := s.Rungs[rung].Model
	return ActiveParameters(m, m.Vocabulary(s.Corpus.Vocabulary))
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
	}{{"vocab", m.Vocab}, {"rope-theta", m.RopeTheta}, {"norm-eps-billionths", m.NormEpsBillionths},
		{"experts", m.Experts}, {"experts-per-token", m.ExpertsPerToken}, {"balance-millionths", m.BalanceMillionths}} {
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
