package engine

import (
	"fmt"
	"math"
	"slices"

	"github.com/crescendo-network/crescendo/engine/r0"
)

// Sampling says how tokens are picked from logits, in this order:
//
//  1. RepetitionPenalty: the logit of every token that is in the text so far,
//     prompt included, is divided by it if positive, else multiplied with it.
//  2. Temperature divides the logits; at 0 the largest is taken, the lowest token
//     winning a tie, and the rest does not matter.
//  3. TopK keeps the likeliest tokens.
//  4. TopP keeps the fewest of those, likeliest first, whose share reaches it.
//  5. MinP drops those less likely than the likeliest times it.
//  6. One number of the generator draws among what is left.
//
// Zero values cut nothing: 0 for TopK, 0 or 1 for TopP, 0 for MinP, 0 or 1 for
// the penalty. With only temperature and TopP it picks what Sample picks.
type Sampling struct {
	Temperature       float32
	TopP              float32
	MinP              float32
	RepetitionPenalty float32
	TopK              int
	Seed              uint64
}

// Check reports the first setting that is out of bounds.
func (s Sampling) Check() error {
	for _, f := range []struct {
		name            string
		value, low, top float32
	}{
		{"temperature", s.Temperature, 0, 100}, {"top-p", s.TopP, 0, 1}, {"min-p", s.MinP, 0, 1},
		{"repetition penalty", s.RepetitionPenalty, 0, 100},
	} {
		if !(f.value >= f.low && f.value <= f.top) {
			return fmt.Errorf("%s is %v, want %v to %v", f.name, f.value, f.low, f.top)
		}
	}
	if s.RepetitionPenalty != 0 && s.RepetitionPenalty < 0.01 {
		return fmt.Errorf("repetition penalty is %v, want 0 (none) or 0.01 to 100", s.RepetitionPenalty)
	}
	if s.TopK < 0 {
		return fmt.Errorf("top-k is %d, want 0 (none) or more", s.TopK)
	}
	return nil
}

// A Sampler picks the tokens of one text.
type Sampler struct {
	settings Sampling
	rng      *SplitMix
	seen     map[int32]bool // with a penalty only
	logits   []float32
	list     []candidate
}

// NewSampler returns the sampler of a text that begins with the prompt.
func NewSampler(s Sampling, prompt []int32) *Sampler {
	p := &Sampler{settings: s, rng: NewSplitMix(s.Seed)}
	if s.RepetitionPenalty != 0 && s.RepetitionPenalty != 1 {
		p.seen = make(map[int32]bool)
		for _, t := range prompt {
			p.seen[t] = true
		}
	}
	return p
}

// Next picks a token, -1 if all logits are NaN, and takes it to be part of the
// text from then on.
func (p *Sampler) Next(logits []float32) int32 {
	token := p.pick(p.penalized(logits))
	if p.seen != nil && token >= 0 {
		p.seen[token] = true
	}
	return token
}

// penalized returns the logits after the repetition penalty. The order of the
// tokens in the map cannot be seen: each changes its own logit.
func (p *Sampler) penalized(logits []float32) []float32 {
	if p.seen == nil {
		return logits
	}
	p.logits = append(p.logits[:0], logits...)
	for t := range p.seen {
		if t < 0 || int(t) >= len(logits) {
			continue
		}
		if v := logits[t]; v > 0 {
			p.logits[t] = v / p.settings.RepetitionPenalty
		} else {
			p.logits[t] = float32(v * p.settings.RepetitionPenalty)
		}
	}
	return p.logits
}

func (p *Sampler) pick(logits []float32) int32 {
	s := p.settings
	best := largest(logits)
	if best < 0 || !(s.Temperature > 0) {
		return best
	}
	list, total := weigh(p.list[:0], logits, logits[best], s.Temperature)
	p.list = list
	if s.TopK > 0 && s.TopK < len(list) {
		list, total = cutTail(list, s.TopK, math.Inf(1))
	}
	if s.TopP > 0 && s.TopP < 1 {
		list, total = cutTail(list, len(list), float64(total*float64(s.TopP)))
	}
	if s.MinP > 0 {
		list, total = cutBelow(list, float64(s.MinP))
	}
	return draw(list, total, p.rng)
}

// cutBelow drops candidates lighter than floor, which is at most the weight of
// the heaviest.
func cutBelow(list []candidate, floor float64) ([]candidate, float64) {
	var total float64
	list = slices.DeleteFunc(list, func(c candidate) bool {
		if c.weight() < floor {
			return true
		}
		total += c.weight()
		return false
	})
	return list, total
}

// LogProbs turns a row of logits into what log probabilities are read from. The
// sum is that of the loss: Exp in 16 lanes, its logarithm in float64.
type LogProbs struct {
	logits []float32
	top    float32
	logSum float64
	row    []float32
}

// Read takes a row, which must stay as it is while it is asked about.
func (l *LogProbs) Read(logits []float32) {
	l.row = append(l.row[:0], logits...)
	l.logits = logits
	l.top, l.logSum = r0.LogSumExp(l.row)
}

// Of is the log probability of a token.
func (l *LogProbs) Of(token int32) float32 {
	return float32(float64(l.logits[token]-l.top) - l.logSum)
}

// Top appends the n likeliest tokens to list, the lower token first among equals.
func (l *LogProbs) Top(list []int32, n int) []int32 {
	from := len(list)
	for i, v := range l.logits {
		best := list[from:]
		if len(best) == n && (n == 0 || !(v > l.logits[best[n-1]])) {
			continue
		}
		at := len(best)
		for at > 0 && v > l.logits[best[at-1]] {
			at--
		}
		list = slices.Insert(list, from+at, int32(i))
		list = list[:min(len(list), from+n)]
	}
	return list
}
