package outer

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/google/go-cmp/cmp"
)

var tiny = engine.Shape{Vocab: 2, Dim: 2, Layers: 1, Heads: 1, KVHeads: 1, FFN: 1, Context: 2, Tied: true, RopeTheta: 10000, NormEps: 1e-5}

func ramp(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i-3) / 8
	}
	return v
}

func TestBlobGolden(t *testing.T) {
	n := tiny.Parameters()
	checkpoint, err := EncodeCheckpoint(tiny, Vector{1, 2, ramp(n)})
	must(t, err)
	aggregatorError, err := EncodeError(tiny, Vector{1, 2, ramp(n)})
	must(t, err)
	state, err := EncodeState(tiny, &State{1, 2, ramp(n), ramp(5), ramp(n)})
	must(t, err)
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"checkpoint": {checkpoint, "26c4f2ed"},
		"error":      {aggregatorError, "215ec046"},
		"state":      {state, "a93fea2b"},
	} {
		if got := sum(c.got).Short(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got, want := hex.EncodeToString(checkpoint[:84]), "435253434b50540001000000010000000200000000000000200000000000000000000000000000004416321420f50ca1a2ee075cff9d65b134016164cd85365bc811a9bdb37f8d930000c0be000080be000000be"; got != want {
		t.Errorf("checkpoint begins\n%s, want\n%s", got, want)
	}
	back, err := DecodeState(tiny, 5, state)
	must(t, err)
	if d := cmp.Diff(&State{1, 2, ramp(n), ramp(5), ramp(n)}, back); d != "" {
		t.Error(d)
	}
	vector, err := DecodeCheckpoint(tiny, checkpoint)
	must(t, err)
	if d := cmp.Diff(Vector{1, 2, ramp(n)}, vector); d != "" {
		t.Error(d)
	}
}

func TestBlobsRefuse(t *testing.T) {
	n := tiny.Parameters()
	good, err := EncodeState(tiny, &State{1, 2, ramp(n), ramp(5), ramp(n)})
	must(t, err)
	change := func(at int, to ...byte) []byte {
		b := slices.Clone(good)
		copy(b[at:], to)
		return b
	}
	checkpoint, err := EncodeCheckpoint(tiny, Vector{1, 2, ramp(n)})
	must(t, err)
	for name, b := range map[string][]byte{
		"empty": nil, "short": good[:len(good)-4], "long": append(slices.Clone(good), 0), "magic": change(0, 'X'),
		"version": change(8, 2), "reserved": change(20, 1), "parameters": change(24, 1), "optimizer": change(32, 6),
		"shape": change(40, 1, 2, 3), "NaN": change(headerSize, 0, 0, 0xc0, 0x7f), "infinite feedback": change(len(good)-4, 0, 0, 0x80, 0x7f),
		"checkpoint": checkpoint, "header only": good[:headerSize],
	} {
		if _, err := DecodeState(tiny, 5, b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
	if _, err := DecodeError(tiny, checkpoint); !errors.Is(err, ErrMalformed) {
		t.Error("a checkpoint passed for an error:", err)
	}
	other := tiny
	other.NormEps = 1e-6
	if _, err := DecodeCheckpoint(other, checkpoint); !errors.Is(err, ErrMalformed) {
		t.Error("a checkpoint of another shape passed:", err)
	}
	if _, err := EncodeCheckpoint(tiny, Vector{1, 2, ramp(3)}); err == nil {
		t.Error("a short vector was encoded")
	}
	bad := ramp(n)
	bad[1] = float32(math.NaN())
	if _, err := EncodeCheckpoint(tiny, Vector{1, 2, bad}); !errors.Is(err, engine.ErrNotFinite) {
		t.Error(err)
	}
	if _, err := EncodeState(tiny, &State{1, 2, ramp(n), nil, ramp(2)}); err == nil {
		t.Error("a state with short feedback was encoded")
	}
}

func FuzzDecodeState(f *testing.F) {
	n := tiny.Parameters()
	good, err := EncodeState(tiny, &State{1, 2, ramp(n), ramp(5), ramp(n)})
	must(f, err)
	f.Add(good)
	checkpoint, err := EncodeCheckpoint(tiny, Vector{1, 2, ramp(n)})
	must(f, err)
	f.Add(checkpoint)
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := DecodeState(tiny, 5, b); err == nil {
			if again, err := EncodeState(tiny, s); err != nil || !bytes.Equal(again, b) {
				t.Fatal("two encodings of one state", err)
			}
		}
		if v, err := DecodeCheckpoint(tiny, b); err == nil {
			if again, err := EncodeCheckpoint(tiny, v); err != nil || !bytes.Equal(again, b) {
				t.Fatal("two encodings of one checkpoint", err)
			}
		}
	})
}
