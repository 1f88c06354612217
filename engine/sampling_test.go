package engine

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// reference is the distribution that a setting leaves, in float64: candidates in
// the order in which a draw goes through them. safe is false if a threshold lies
// so near that rounding may decide.
func reference(logits []float32, seen map[int32]bool, s Sampling) (order []int32, p []float64, safe bool) {
	const near = 1e-5
	x := make([]float64, len(logits))
	for i, v := range logits {
		x[i] = float64(v)
		if penalty := float64(s.RepetitionPenalty); seen[int32(i)] && penalty != 0 && v > 0 {
			x[i] /= penalty
		} else if seen[int32(i)] && penalty != 0 {
			x[i] *= penalty
		}
		order = append(order, int32(i))
	}
	top := slices.Max(x)
	weight := func(t int32) float64 { return math.Exp((x[t] - top) / float64(s.Temperature)) }
	safe = true
	if s.TopK > 0 && s.TopK < len(order) || s.TopP > 0 && s.TopP < 1 {
		slices.SortStableFunc(order, func(a, b int32) int {
			switch {
			case x[a] > x[b]:
				return -1
			case x[a] < x[b]:
				return 1
			}
			return 0
		})
	}
	if k := s.TopK; k > 0 && k < len(order) {
		safe = safe && weight(order[k-1])-weight(order[k]) > near
		order = order[:k]
	}
	if s.TopP > 0 && s.TopP < 1 {
		var total, kept float64
		for _, t := range order {
			total += weight(t)
		}
		for n, t := range order {
			kept += weight(t)
			safe = safe && math.Abs(kept-total*float64(s.TopP)) > near*total
			if kept >= total*float64(s.TopP) {
				order = order[:n+1]
				break
			}
		}
	}
	order = slices.DeleteFunc(order, func(t int32) bool {
		safe = safe && (s.MinP == 0 || math.Abs(weight(t)-float64(s.MinP)) > near)
		return weight(t) < float64(s.MinP)
	})
	var total float64
	for _, t := range order {
		total += weight(t)
	}
	for _, t := range order {
		p = append(p, weight(t)/total)
	}
	return order, p, safe
}

// TestSamplingReference draws with settings at random and compares every token
// with the one that float64 arithmetic picks from the same random number.
func TestSamplingReference(t *testing.T) {
	rng := NewSplitMix(21)
	compared := 0
	for c := range 3000 {
		logits := make([]float32, 2+rng.Intn(60))
		for i := range logits {
			logits[i] = float32(rng.Float64()*12 - 6)
		}
		s := Sampling{Temperature: float32(0.2 + rng.Float64()*2), Seed: rng.Uint64()}
		var prompt []int32
		seen := map[int32]bool{}
		for range rng.Intn(8) {
			token := int32(rng.Intn(len(logits)))
			prompt, seen[token] = append(prompt, token), true
		}
		if rng.Intn(2) == 0 {
			s.RepetitionPenalty = float32(0.5 + rng.Float64())
		}
		if rng.Intn(2) == 0 {
			s.TopK = rng.Intn(len(logits) + 3)
		}
		if rng.Intn(2) == 0 {
			s.TopP = float32(rng.Float64())
		}
		if rng.Intn(2) == 0 {
			s.MinP = float32(rng.Float64() / 2)
		}
		sampler, draws := NewSampler(s, prompt), NewSplitMix(s.Seed)
		for n := range 3 {
			got, mark := sampler.Next(logits), draws.Float64()
			order, p, safe := reference(logits, seen, s)
			var sum float64
			want := int32(-1)
			for i, share := range p {
				if safe = safe && math.Abs(sum+share-mark) > 1e-5; want < 0 && sum+share > mark {
					want = order[i]
				}
				sum += share
			}
			if safe && want >= 0 {
				if compared++; got != want {
					t.Fatalf("case %d, draw %d: token %d, want %d; %+v, prompt %v, logits %v", c, n, got, want, s, prompt, logits)
				}
			}
			seen[got] = true
		}
	}
	if compared < 8000 {
		t.Errorf("only %d draws of 9000 could be compared", compared)
	}
}

// TestSamplingIsSample: with temperature and top-p alone nothing has changed.
func TestSamplingIsSample(t *testing.T) {
	rng := NewSplitMix(4)
	for range 500 {
		logits := make([]float32, 1+rng.Intn(80))
		for i := range logits {
			logits[i] = float32(rng.Float64()*20 - 10)
		}
		s := Sampling{Temperature: float32(rng.Float64() * 2), TopP: float32(rng.Float64() * 1.2), Seed: rng.Uint64()}
		sampler, draws := NewSampler(s, nil), NewSplitMix(s.Seed)
		for range 5 {
			if got, want := sampler.Next(logits), Sample(logits, s.Temperature, s.TopP, draws); got != want {
				t.Fatalf("token %d, Sample picks %d: %+v, logits %v", got, want, s, logits)
			}
		}
	}
}

// TestSamplingOrder shows what each step sees of the one before.
func TestSamplingOrder(t *testing.T) {
	ln := func(p ...float64) (logits []float32) {
		for _, v := range p {
			logits = append(logits, float32(math.Log(v)))
		}
		return logits
	}
	for _, c := range []struct {
		name   string
		logits []float32
		s      Sampling
		prompt []int32
		want   []int32 // all that can be drawn
	}{
		{"penalty comes before greedy", []float32{2, 1.5}, Sampling{RepetitionPenalty: 2}, []int32{0}, []int32{1}},
		{"penalty multiplies what is negative", []float32{-1, -1.5}, Sampling{RepetitionPenalty: 2}, []int32{0}, []int32{1}},
		{"penalty is taken once", []float32{5, 2}, Sampling{RepetitionPenalty: 2}, []int32{0, 0, 0}, []int32{0}},
		{"temperature comes before top-p", ln(.6, .3, .1), Sampling{Temperature: 3, TopP: .6}, nil, []int32{0, 1}},
		{"without it one is enough", ln(.61, .29, .1), Sampling{Temperature: 1, TopP: .6}, nil, []int32{0}},
		{"top-p sees the shares among the top k", ln(.4, .3, .2, .1), Sampling{Temperature: 1, TopK: 2, TopP: .55}, nil, []int32{0}},
		{"and not those of all", ln(.4, .3, .2, .1), Sampling{Temperature: 1, TopP: .55}, nil, []int32{0, 1}},
		{"min-p is relative to the likeliest", ln(.5, .26, .24), Sampling{Temperature: 1, MinP: .5}, nil, []int32{0, 1}},
		{"ties in top-k go to the lower token", ln(.25, .25, .25, .25), Sampling{Temperature: 1, TopK: 2}, nil, []int32{0, 1}},
		{"min-p of one leaves the likeliest", ln(.5, .3, .2), Sampling{Temperature: 1, MinP: 1}, nil, []int32{0}},
		{"the penalty follows the text", []float32{1, .9, .8}, Sampling{RepetitionPenalty: 10}, nil, []int32{0, 1, 2}},
	} {
		drawn := map[int32]bool{}
		for seed := range uint64(300) {
			c.s.Seed = seed
			s := NewSampler(c.s, c.prompt)
			drawn[s.Next(c.logits)] = true
			if c.name == "the penalty follows the text" {
				drawn[s.Next(c.logits)] = true
				drawn[s.Next(c.logits)] = true
			}
		}
		want := map[int32]bool{}
		for _, w := range c.want {
			want[w] = true
		}
		if fmt.Sprint(drawn) != fmt.Sprint(want) {
			t.Errorf("%s: drawn %v, want %v", c.name, drawn, want)
		}
	}
}

func FuzzSampler(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, float32(1), float32(0.9), float32(0.1), float32(1.2), 3, uint64(1))
	f.Fuzz(func(t *testing.T, data []byte, temperature, topP, minP, penalty float32, topK int, seed uint64) {
		logits := make([]float32, min(len(data)/4, 64))
		number := false
		for i := range logits {
			logits[i] = math.Float32frombits(uint32(data[4*i]) | uint32(data[4*i+1])<<8 | uint32(data[4*i+2])<<16 | uint32(data[4*i+3])<<24)
			number = number || logits[i] == logits[i]
		}
		s := Sampling{Temperature: temperature, TopP: topP, MinP: minP, RepetitionPenalty: penalty, TopK: topK, Seed: seed}
		if s.Check() != nil {
			return
		}
		sampler := NewSampler(s, []int32{0, 1, -5, 1 << 30})
		for range 3 {
			got := sampler.Next(logits)
			if int(got) >= len(logits) || got < -1 || got < 0 && number && penalty == 0 {
				t.Fatalf("token %d of %v with %+v", got, logits, s)
			}
		}
	})
}
