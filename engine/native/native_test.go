package native

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"syscall"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/enginetest"
)

// halfMillion is the shape of the default demo rung.
var halfMillion = engine.Shape{Vocab: 4096, Dim: 64, Layers: 5, Heads: 2, KVHeads: 2, FFN: 176, Context: 128, Tied: true, RopeTheta: 10000, NormEps: 1e-5}

func hash(x []float32) string {
	h := sha256.New()
	var b [4]byte
	for _, v := range x {
		binary.LittleEndian.PutUint32(b[:], math.Float32bits(v))
		h.Write(b[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func cpuSeconds() float64 {
	var r syscall.Rusage
	_ = syscall.Getrusage(0, &r)
	return float64(r.Utime.Sec+r.Stime.Sec) + 1e-6*float64(r.Utime.Usec+r.Stime.Usec)
}

func BenchmarkStep05M(b *testing.B) {
	for _, kind := range []string{engine.Muon, engine.AdamW} {
		for _, name := range Kernels() {
			if name == "portable" {
				continue
			}
			b.Run(kind+"/"+name, func(b *testing.B) {
				e, err := NewWithKernel(1, name)
				if err != nil {
					b.Fatal(err)
				}
				m, err := e.New(halfMillion)
				if err != nil {
					b.Fatal(err)
				}
				e.Init(m, 1)
				o := engine.DefaultOptimizer(1220)
				o.Kind = kind
				batch := enginetest.Tokens(1, halfMillion.Vocab, 4*129)
				start, steps := cpuSeconds(), 0
				for b.Loop() {
					if _, err := m.Step(batch, 4, 128, o, steps); err != nil {
						b.Fatal(err)
					}
					steps++
				}
				b.ReportMetric(512*float64(steps)/b.Elapsed().Seconds(), "tokens/s")
				b.ReportMetric(512*float64(steps)/(cpuSeconds()-start), "tokens/cpu-s")
			})
		}
	}
}

// BenchmarkStep12M reports the best step by processor time, which other work on
// the machine disturbs least.
func BenchmarkStep12M(b *testing.B) {
	shape := engine.Shape{Vocab: 4096, Dim: 384, Layers: 6, Heads: 6, KVHeads: 6, FFN: 1024, Context: 1024, Tied: true, RopeTheta: 10000, NormEps: 1e-5}
	e := New(1)
	m, err := e.New(shape)
	if err != nil {
		b.Fatal(err)
	}
	e.Init(m, 1)
	o := engine.DefaultOptimizer(1220)
	o.Kind = engine.AdamW
	batch := enginetest.Tokens(1, shape.Vocab, 8*257)
	best, steps := 0.0, 0
	for b.Loop() {
		start := cpuSeconds()
		if _, err := m.Step(batch, 8, 256, o, steps); err != nil {
			b.Fatal(err)
		}
		best = max(best, 2048/(cpuSeconds()-start))
		steps++
	}
	b.ReportMetric(best, "best-tokens/cpu-s")
}

func BenchmarkDecode05M(b *testing.B) {
	for _, temperature := range []float32{0, 0.8} {
		b.Run(fmt.Sprintf("temperature %v", temperature), func(b *testing.B) { benchmarkDecode(b, temperature) })
	}
}

func benchmarkDecode(b *testing.B, temperature float32) {
	e := New(1)
	m, err := e.New(halfMillion)
	if err != nil {
		b.Fatal(err)
	}
	e.Init(m, 1)
	s, err := m.Session(halfMillion.Context)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	rng, next := engine.NewSplitMix(1), []int32{1}
	start, n := cpuSeconds(), 0
	for b.Loop() {
		if s.Len() == halfMillion.Context {
			s.Reset()
		}
		logits, err := s.Feed(next)
		if err != nil {
			b.Fatal(err)
		}
		next[0] = engine.Sample(logits, temperature, 0.95, rng)
		n++
	}
	b.ReportMetric(float64(n)/(cpuSeconds()-start), "tokens/cpu-s")
}
