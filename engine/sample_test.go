package engine

import (
	"cmp"
	"math"
	"slices"
	"testing"
)

func TestSampleGreedy(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		logits []float32
		want   int32
	}{
		{nil, -1}, {[]float32{nan, nan}, -1}, {[]float32{1, 3, 3, 2}, 1}, {[]float32{nan, 1}, 1}, {[]float32{-inf, -inf}, 0}, {[]float32{1, inf}, 1},
	} {
		for _, temperature := range []float32{0, -1, nan} {
			if got := Sample(c.logits, temperature, 1, NewSplitMix(1)); got != c.want {
				t.Errorf("%v at temperature %v: token %d, want %d", c.logits, temperature, got, c.want)
			}
		}
	}
}

// TestSampleFrequencies draws often and compares with the softmax.
func TestSampleFrequencies(t *testing.T) {
	logits := []float32{1, 0, 2, -1, float32(math.NaN()), float32(math.Inf(-1))}
	for _, c := range []struct {
		name              string
		temperature, topP float32
		want              []float64
	}{
		{"plain", 1, 1, []float64{0.2369, 0.0871, 0.6439, 0.0321, 0, 0}},
		{"cold", 0.5, 1, []float64{0.1174, 0.0159, 0.8645, 0.0021, 0, 0}},
		{"cut to one", 1, 0.6, []float64{0, 0, 1, 0, 0, 0}},
		{"cut to two", 1, 0.8, []float64{0.2689, 0, 0.7311, 0, 0, 0}},
		{"freezing", 1e-30, 0.9, []float64{0, 0, 1, 0, 0, 0}},
	} {
		const n = 40000
		rng := NewSplitMix(5)
		var count [6]float64
		for range n {
			count[Sample(logits, c.temperature, c.topP, rng)]++
		}
		for i, want := range c.want {
			if got := count[i] / n; math.Abs(got-want) > 0.01 {
				t.Errorf("%s: token %d has frequency %.4f, want %.4f", c.name, i, got, want)
			}
		}
	}
}

// TestCutTail compares the heap with a sort.
func TestCutTail(t *testing.T) {
	rng := NewSplitMix(9)
	for range 300 {
		weight := make([]float32, 1+rng.Intn(40))
		var list []candidate
		var order []int32
		var total float64
		for i := range weight {
			weight[i] = float32(1+rng.Intn(6)) / 7
			total += float64(weight[i])
			list, order = append(list, newCandidate(i, weight[i])), append(order, int32(i))
		}
		slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(weight[b], weight[a]) })
		enough := total * rng.Float64()
		got, kept := cutTail(list, len(list), enough)
		var sum float64
		for n, c := range got {
			if sum >= enough && n > 0 || c.token() != order[n] || c.weight() != float64(weight[order[n]]) {
				t.Fatalf("candidate %d is token %d of weight %v, want %d", n, c.token(), c.weight(), order[n])
			}
			sum += c.weight()
		}
		if sum != kept || sum < enough {
			t.Fatalf("kept %v (said to be %v), want %v", sum, kept, enough)
		}
	}
}

func FuzzSample(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, float32(1), float32(0.9), uint64(1))
	f.Fuzz(func(t *testing.T, data []byte, temperature, topP float32, seed uint64) {
		logits := make([]float32, min(len(data)/4, 64))
		finite := false
		for i := range logits {
			logits[i] = math.Float32frombits(uint32(data[4*i]) | uint32(data[4*i+1])<<8 | uint32(data[4*i+2])<<16 | uint32(data[4*i+3])<<24)
			finite = finite || logits[i] == logits[i]
		}
		got := Sample(logits, temperature, topP, NewSplitMix(seed))
		if finite != (got >= 0) || int(got) >= len(logits) || got >= 0 && logits[got] != logits[got] {
			t.Fatalf("token %d of %v", got, logits)
		}
	})
}
