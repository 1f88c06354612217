package plan

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/program/programfile"
)

func TestWhatFitsALaptop(t *testing.T) {
	spec, demo, err := programfile.Load("../../programs/thousandth.yaml")
	if err != nil {
		t.Fatal(err)
	}
	laptop := Machine{Cores: 2, Memory: 8 << 30, FLOPS: 50e9}
	rungs := Rungs(spec, CrewOf(spec, demo.Trainers+demo.FreeRiders, demo.Evaluators), laptop)
	if len(rungs) != 7 || !rungs[0].Fits || rungs[0].Time > 10*time.Minute || rungs[6].Fits {
		t.Errorf("%+v", rungs)
	}
	for i := 1; i < len(rungs); i++ {
		if rungs[i].Parameters <= rungs[i-1].Parameters || rungs[i].Time < rungs[i-1].Time {
			t.Errorf("rung %d is not larger than the one before: %+v", i+1, rungs[i])
		}
	}
	var b bytes.Buffer
	Write(&b, rungs, laptop)
	waiting := 0
	for _, r := range rungs {
		if !r.Fits {
			waiting++
		}
	}
	if n := strings.Count(b.String(), "waiting for GPU islands"); n != waiting {
		t.Errorf("%d rungs wait, the plan says %d:\n%s", waiting, n, b.String())
	}
}

func TestMeasure(t *testing.T) {
	shape := engine.Shape{Vocab: 256, Dim: 32, Layers: 1, Heads: 2, KVHeads: 2, FFN: 64, Context: 16, Tied: true, RopeTheta: 10000, NormEps: 1e-5}
	if rate, err := Measure(native.New(1), shape); err != nil || rate <= 0 {
		t.Error(rate, err)
	}
	if _, err := Measure(native.New(1), engine.Shape{}); err == nil {
		t.Error("an impossible shape was measured")
	}
}

// A token of a mixture uses few of its parameters: memory is for all of them,
// time for those.
func TestMixture(t *testing.T) {
	spec, demo, err := programfile.Load("../../programs/refund.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := Machine{Cores: 2, Memory: 8 << 30, FLOPS: 1e6}
	crew := CrewOf(spec, demo.Trainers, demo.Evaluators)
	plain := Rungs(spec, crew, m)[0]
	shape := &spec.Rungs[0].Model
	shape.Experts, shape.ExpertsPerToken = 8, 2
	mixed := Rungs(spec, crew, m)[0]
	ratio := func(a, b float64) bool { return a > b*0.999 && a < b*1.001 }
	total, active := float64(spec.Parameters(0)), float64(spec.ActiveParameters(0))
	if !ratio(float64(mixed.Time)/float64(plain.Time), active/float64(plain.Parameters)) || uint64(total) != mixed.Parameters || uint64(active) != mixed.ActiveParameters {
		t.Errorf("plain %+v, as a mixture %+v", plain, mixed)
	}
	per := float64(mixed.Memory-plain.Memory) / (total - float64(plain.Parameters))
	if !ratio(per, float64(crew(0).Trainers*trainerBytes+crew(0).Evaluators*evaluatorBytes)) {
		t.Errorf("%.1f bytes for each parameter more", per)
	}
	var b bytes.Buffer
	Write(&b, []Rung{plain, mixed}, m)
	if strings.Count(b.String(), " a token") != 1 {
		t.Error(b.String())
	}
}
