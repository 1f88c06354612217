package outer

import (
	"reflect"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/program"
)

// The digest of a plain model is what it was before shapes had more fields:
// blobs keep their names.
func TestShapeDigestGolden(t *testing.T) {
	scaled := tiny
	scaled.QKVBias = true
	scaled.RopeScaling = engine.RopeScaling{Kind: engine.RopeLlama3, Factor: 8, LowFactor: 1, HighFactor: 4, Original: 8192}
	for name, c := range map[string]struct {
		shape engine.Shape
		want  string
	}{
		"plain":          {tiny, "4416321420f50ca1a2ee075cff9d65b134016164cd85365bc811a9bdb37f8d93"},
		"biased, scaled": {scaled, "c63b8fb2e358425c91f0d10ef5543475b5b025d24ae4b3c2460a8e1472238c5e"},
	} {
		if got := shapeDigest(c.shape).String(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// No field of a shape, of today's or of tomorrow's, is left out of its digest.
func TestShapeDigestCoversAllFields(t *testing.T) {
	full := tiny
	fill(reflect.ValueOf(&full).Elem())
	seen := map[crescendo.Hash]string{shapeDigest(full): "nothing", shapeDigest(tiny): "all"}
	if len(seen) != 2 {
		t.Fatal("the full shape has the digest of the plain one")
	}
	var change func(v reflect.Value, path string)
	change = func(v reflect.Value, path string) {
		if v.Kind() == reflect.Struct {
			for i := range v.NumField() {
				change(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
			return
		}
		before := reflect.ValueOf(v.Interface())
		v.SetZero()
		h := shapeDigest(full)
		if other, twice := seen[h]; twice {
			t.Errorf("a shape without %s has the digest of one without %s", path, other)
		}
		seen[h] = path
		v.Set(before)
	}
	change(reflect.ValueOf(&full).Elem(), "shape")
}

// fill gives every field a value that is not zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("x")
	case reflect.Float32, reflect.Float64:
		v.SetFloat(2)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(2)
	default:
		v.SetUint(2)
	}
}

// What a programme says of a model and what the engine has are one thing, both
// ways; what programmes cannot say is told.
func TestModelOf(t *testing.T) {
	shape := engine.Shape{Vocab: 49152, Dim: 576, Layers: 30, Heads: 9, KVHeads: 3, FFN: 1536, Context: 8192, Tied: true, RopeTheta: 100000, NormEps: 1e-5}
	qwen := shape
	qwen.QKVBias, qwen.NormEps, qwen.RopeTheta = true, 1e-6, 1e6
	llama := shape
	llama.RopeScaling = engine.RopeScaling{Kind: engine.RopeLlama3, Factor: 32, LowFactor: 1, HighFactor: 4, Original: 8192}
	for name, s := range map[string]engine.Shape{"plain": shape, "qwen": qwen, "llama": llama} {
		m, ok := ModelOf(s)
		if got := ShapeOf(m, 1); !ok || got != s {
			t.Errorf("%s: %+v comes back as %+v", name, s, got)
		}
	}
	biased := shape
	biased.QKVBias, biased.OutBias, biased.FFNBias = true, true, true
	if m, ok := ModelOf(biased); !ok || ShapeOf(m, 1) != biased {
		t.Errorf("all biases come back as %+v", ShapeOf(m, 1))
	}
	mixture := shape
	for _, balance := range []float32{0, 0.001, 0.01, 0.02, 1} {
		mixture.Experts, mixture.ExpertsPerToken, mixture.Balance = 8, 2, balance
		if m, ok := ModelOf(mixture); !ok || ShapeOf(m, 1) != mixture {
			t.Errorf("a mixture of experts comes back as %+v", ShapeOf(m, 1))
		}
	}
	fine := shape
	fine.RopeTheta = 10000.5
	if m, ok := ModelOf(fine); ok {
		t.Errorf("half a unit of theta was said as %+v", m)
	}
	if got := ShapeOf(program.Model{Dim: 4, Layers: 1, Heads: 1, KVHeads: 1, FFN: 1, Context: 2}, 7); got.RopeTheta != 10000 || got.NormEps != 1e-5 || got.Vocab != 7 {
		t.Errorf("a plain model is %+v", got)
	}
}
