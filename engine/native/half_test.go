package native

import (
	"fmt"
	"math"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/enginetest"
)

// goldenBF16 are the golden models, by their place, under profile bf16.
var goldenBF16 = map[int]string{
	0: "53f2b3d87536ce1f56305a4f0aee8060",
	1: "2c27d53b9e5a33c8fef9015f8929381f",
	2: "e560575b194b34408f58ea98e56dc308",
	4: "5d04777a8f2a374eb78b95741e5ba2e5",
	6: "5a8dea2edc5cc9ab0b0ccdc9b41ee054",
	8: "77a8e2eb0c7c18015591f6ef0da89bf9",
	9: "79ae7b1764a565ab5a24b10b895a780e",
}

// TestGoldenBitsBF16 trains with the machine's instructions, if it has them, and
// with the emulation.
func TestGoldenBitsBF16(t *testing.T) {
	for i, g := range golden {
		want, ok := goldenBF16[i]
		if !ok {
			continue
		}
		if want == g.want {
			t.Errorf("%s: the two profiles have one hash", g.name)
		}
		for _, name := range Kernels() {
			for threads := 1; threads <= 8; threads++ {
				if name == "portable" && threads != 1 || name != "avx512" && threads != 1 && threads != 3 { // emulation is slow
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%s/%d", g.name, g.kind, name, threads), func(t *testing.T) {
					if got := trainUnder(t, BF16, g.shape, g.kind, name, threads); got != want {
						t.Errorf("hash is %s, want %s", got, want)
					}
				})
			}
		}
	}
}

// TestBF16IsNearR0 compares losses and gradients of the two profiles: near each
// other, and not the same.
func TestBF16IsNearR0(t *testing.T) {
	shape := engine.Shape{Vocab: 97, Dim: 48, Layers: 2, Heads: 4, KVHeads: 2, FFN: 130, Context: 64, RopeTheta: 10000, NormEps: 1e-5, QKVBias: true}
	var grads [2][]float32
	var loss [2]int64
	for i, profile := range []string{R0, BF16} {
		e, err := WithProfile(New(2), profile)
		if err != nil {
			t.Fatal(err)
		}
		made, err := e.New(shape)
		if err != nil {
			t.Fatal(err)
		}
		e.Init(made, 7)
		m := made.(*model)
		if loss[i], err = m.gradient(enginetest.Tokens(2, shape.Vocab, 3*34), 3, 33); err != nil {
			t.Fatal(err)
		}
		grads[i] = m.grads
	}
	var apart, size float64
	for i, g := range grads[0] {
		d := float64(grads[1][i] - g)
		apart, size = apart+d*d, size+float64(g)*float64(g)
	}
	if r := math.Sqrt(apart / size); r > 0.02 || r == 0 {
		t.Errorf("gradients are %.4f of their length apart, want at most 0.02 and not none", r)
	}
	if d := math.Abs(float64(loss[0] - loss[1])); d > 5000 {
		t.Errorf("losses are %d and %d micro-nats", loss[0], loss[1])
	}
}

func TestWithProfileRefusesOthers(t *testing.T) {
	if _, err := WithProfile(New(1), "b17"); err == nil {
		t.Error("profile b17 was taken")
	}
}
