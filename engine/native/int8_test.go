package native

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
)

// wideInt8 has matrices that are divided among threads, and heads and pages whose
// attention over one token's row has loops of its own.
var wideInt8 = engine.Shape{Vocab: 1030, Dim: 256, Layers: 1, Heads: 8, KVHeads: 4, FFN: 520, Context: 96, RopeTheta: 10000, NormEps: 1e-5}

// goldenInt8 are, under profile q8, hashes of the logits of a text and of what is
// sampled in three texts side by side.
var goldenInt8 = []struct {
	name            string
	shape           engine.Shape
	logits, sampled string
}{
	{"plain", batchShapes["plain"], "04ed182bd153b8f39aff7d44be6e82d3", "086ab4d0bff1cdf661da9460853f91f2"},
	{"grouped", batchShapes["grouped"], "50fc2f6bff5d7d7c0c70f563fa6ee6d5", "908a61cce97026a54569c37a4c11ed4b"},
	{"biased", batchShapes["biased"], "b1ed7c9d73e1256a2a06d33ef04a3dda", "1ef55479baa33db77571946cb4798cca"},
	{"mixture", batchShapes["mixture"], "a3219a2c6915c0ed0d51eb0c2c2f1868", "84d91a4ce095ee74f79f1e352d8ea8f8"},
	{"wide", wideInt8, "eb111dd42fdd83b13e28a9a9c2cfdd77", "3c184fbc4f3429d1a950ca350973f209"},
}

// TestGoldenInt8: a change here changes what sealed models answer in 8 bits.
func TestGoldenInt8(t *testing.T) {
	for _, g := range goldenInt8 {
		for _, kernel := range Kernels() {
			for threads := 1; threads <= 8; threads++ {
				if kernel == "portable" && threads%4 != 1 { // it is slow
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%d", g.name, kernel, threads), func(t *testing.T) {
					m := batchModel(t, g.shape, kernel, threads)
					if got := hashInt8(t, m); got != g.logits {
						t.Errorf("hash of logits is %s, want %s", got, g.logits)
					}
					if got := hashSampled(t, m); got != g.sampled {
						t.Errorf("hash of sampled tokens is %s, want %s", got, g.sampled)
					}
				})
			}
		}
	}
}

// hashInt8 is that of the logits after each token of one text.
func hashInt8(t *testing.T, m engine.Model) string {
	h := sha256.New()
	for _, row := range aloneInt8(t, m, []int32{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3}) {
		for _, v := range row {
			_ = binary.Write(h, binary.LittleEndian, v)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// hashSampled is that of the tokens sampled in three texts, whose prompts of 1, 8
// and 15 tokens are read in one step, until each has 48.
func hashSampled(t *testing.T, m engine.Model) string {
	const texts, length, page = 3, 48, 32
	b := openBatch(t, m, engine.BatchOptions{Pages: 2 * texts, PageTokens: page, Rows: texts * length, LogitRows: texts, Int8: true})
	settings := []engine.Sampling{
		{},
		{Temperature: 0.8, TopP: 0.95, Seed: 1},
		{Temperature: 1.5, TopK: 40, MinP: 0.01, RepetitionPenalty: 1.1, Seed: 2},
	}
	var runs []engine.Run
	var samplers []*engine.Sampler
	for i := range texts {
		prompt := make([]int32, 1+7*i)
		for j := range prompt {
			prompt[j] = int32((11*i + 5*j + 2) % m.Shape().Vocab)
		}
		runs = append(runs, engine.Run{Tokens: prompt, Pages: []int32{int32(i), int32(texts + i)}, Logits: 1})
		samplers = append(samplers, engine.NewSampler(settings[i], prompt))
	}
	h := sha256.New()
	for len(runs) > 0 {
		logits, err := b.Step(runs)
		if err != nil {
			t.Fatal(err)
		}
		var next []engine.Run
		for _, r := range runs {
			text := int(r.Pages[0])
			token := samplers[text].Next(logits[:m.Shape().Vocab])
			logits = logits[m.Shape().Vocab:]
			_ = binary.Write(h, binary.LittleEndian, []int32{int32(text), token})
			r.Position, r.Tokens = r.Position+len(r.Tokens), []int32{token}
			if r.Position < length {
				next = append(next, r)
			}
		}
		runs = next
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
