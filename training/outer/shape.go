package outer

import (
	"encoding/binary"
	"encoding/json"
	"math"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/program"
)

// ShapeOf is the engine's shape of a programme's model; vocabulary is the
// corpus's.
func ShapeOf(m program.Model, vocabulary uint32) engine.Shape {
	return engine.Shape{
		Vocab: int(m.Vocabulary(vocabulary)), Dim: int(m.Dim), Layers: int(m.Layers), Heads: int(m.Heads),
		KVHeads: int(m.KVHeads), FFN: int(m.FFN), Context: int(m.Context), Tied: m.Tied,
		RopeTheta: float32(m.Theta()), NormEps: float32(float64(m.EpsBillionths()) / 1e9), QKVBias: m.QKVBias, OutBias: m.OutBias, FFNBias: m.FFNBias,
		Experts: int(m.Experts), ExpertsPerToken: int(m.ExpertsPerToken), Balance: float32(float64(m.BalanceMillionths) / 1e6),
		RopeScaling: engine.RopeScaling{
			Kind: m.RopeScaling.Kind, Factor: thousandths(m.RopeScaling.Factor), LowFactor: thousandths(m.RopeScaling.LowFactor),
			HighFactor: thousandths(m.RopeScaling.HighFactor), Original: int(m.RopeScaling.Original),
		},
	}
}

func thousandths(n uint32) float32 { return float32(float64(n) / 1e3) }

// ModelOf says a shape as a programme does: a model whose ShapeOf it is. It
// reports whether there is one; programmes write numbers less finely than engines.
func ModelOf(s engine.Shape) (program.Model, bool) {
	in := func(v float32, unit float64) uint32 {
		n := math.Round(float64(v) * unit)
		if !(n >= 0 && n <= math.MaxUint32) {
			return 0
		}
		return uint32(n)
	}
	r := s.RopeScaling
	m := program.Model{
		Dim: uint32(s.Dim), Layers: uint32(s.Layers), Heads: uint32(s.Heads), KVHeads: uint32(s.KVHeads), FFN: uint32(s.FFN),
		Context: uint32(s.Context), Tied: s.Tied, Vocab: uint32(s.Vocab), QKVBias: s.QKVBias, OutBias: s.OutBias, FFNBias: s.FFNBias,
		RopeTheta: in(s.RopeTheta, 1), NormEpsBillionths: in(s.NormEps, 1e9),
		RopeScaling: program.RopeScaling{Kind: r.Kind, Factor: in(r.Factor, 1e3), LowFactor: in(r.LowFactor, 1e3), HighFactor: in(r.HighFactor, 1e3), Original: uint32(r.Original)},
		Experts:     uint32(s.Experts), ExpertsPerToken: uint32(s.ExpertsPerToken), BalanceMillionths: in(s.Balance, 1e6),
	}
	return m, s.Validate() == nil && ShapeOf(m, m.Vocab) == s
}

// shapeDigest stands in the header of every blob of this package. Shapes that
// use more than the plain model are digested as JSON, whatever fields engines
// have by then, so that no two of them are taken for one.
func shapeDigest(s engine.Shape) crescendo.Hash {
	plain := engine.Shape{Vocab: s.Vocab, Dim: s.Dim, Layers: s.Layers, Heads: s.Heads, KVHeads: s.KVHeads, FFN: s.FFN,
		Context: s.Context, Tied: s.Tied, RopeTheta: s.RopeTheta, NormEps: s.NormEps}
	if s != plain {
		b, err := json.Marshal(s)
		if err != nil { // a number that is not finite, which no valid shape has
			return crescendo.Hash{}
		}
		return digest.Sum("crescendo/training/outer/shape/v2", b)
	}
	var b []byte
	tied := 0
	if s.Tied {
		tied = 1
	}
	for _, v := range []int{s.Vocab, s.Dim, s.Layers, s.Heads, s.KVHeads, s.FFN, s.Context, tied} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	for _, v := range []float32{s.RopeTheta, s.NormEps} {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return digest.Sum("crescendo/training/outer/shape/v1", b)
}
