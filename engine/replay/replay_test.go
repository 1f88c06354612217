package replay

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/enginetest"
	"github.com/crescendo-network/crescendo/engine/native"
)

func job(steps int) Job {
	return Job{Shape: enginetest.Shape, Optimizer: engine.DefaultOptimizer(10), Batch: 2, Sequence: 19, Seed: 7, Steps: steps}
}

func text() []int32 { return enginetest.Tokens(1, enginetest.Shape.Vocab, 500) }

// golden is part of profile R0.
const golden = "44ff3cf16038ae242afc6ed8303fb40ae205f5ec8b5be0d6d143e3d9361f94af"

// TestOpen replays a job with every kernel, then opens each of its steps from
// the state before it.
func TestOpen(t *testing.T) {
	ctx, j := context.Background(), job(4)
	var states [][]byte
	whole, err := Run(ctx, native.New(1), j, nil, text(), func(_ int, s []byte) error {
		states = append(states, bytes.Clone(s))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(whole.Roots) != 5 || len(whole.Losses) != 4 || len(states) != 5 {
		t.Fatalf("%d roots, %d losses, %d states", len(whole.Roots), len(whole.Losses), len(states))
	}
	if got := whole.Root().String(); got != golden {
		t.Errorf("trace is %s, want %s", got, golden)
	}
	for _, name := range native.Kernels() {
		e, err := native.NewWithKernel(2, name)
		if err != nil {
			t.Fatal(err)
		}
		for step := range 4 {
			one, err := Run(ctx, e, job(1), states[step], text(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if one.First != step || !slices.Equal(one.Roots, whole.Roots[step:step+2]) || one.Losses[0] != whole.Losses[step] {
				t.Errorf("%s: step %d alone gives %+v, want %v and a loss of %d", name, step, one, whole.Roots[step:step+2], whole.Losses[step])
			}
		}
	}
	// A step that was done otherwise shows from there on.
	states[2][headerSize+1] ^= 1
	bad, err := Run(ctx, native.New(1), job(1), states[2], text(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if bad.Roots[0] == whole.Roots[2] || bad.Roots[1] == whole.Roots[3] {
		t.Error("another state has the same root")
	}
}

func TestRefusals(t *testing.T) {
	ctx, e := context.Background(), native.New(1)
	for name, change := range map[string]func(*Job){
		"no steps": func(j *Job) { j.Steps = 0 }, "endless": func(j *Job) { j.Steps = MaxSteps + 1 }, "shape": func(j *Job) { j.Shape.Heads = 3 },
		"optimizer": func(j *Job) { j.Optimizer.Kind = "sgd" }, "long": func(j *Job) { j.Sequence = j.Shape.Context + 1 }, "wide": func(j *Job) { j.Batch = MaxSteps },
	} {
		j := job(1)
		change(&j)
		if _, err := Run(ctx, e, j, nil, text(), nil); !errors.Is(err, ErrBadJob) {
			t.Errorf("%s: error is %v, want ErrBadJob", name, err)
		}
	}
	if _, err := Run(ctx, e, job(1), nil, text()[:19], nil); !errors.Is(err, ErrBadJob) {
		t.Errorf("short text: error is %v, want ErrBadJob", err)
	}
	if _, err := Run(ctx, e, job(1), []byte("CRSSTEP"), text(), nil); !errors.Is(err, ErrBadState) {
		t.Errorf("short state: error is %v, want ErrBadState", err)
	}
}

func FuzzLoad(f *testing.F) {
	m, err := native.New(1).New(enginetest.Shape)
	if err != nil {
		f.Fatal(err)
	}
	good := encode(nil, m, 3)
	f.Add(good[:40], 9, byte(1))
	f.Fuzz(func(t *testing.T, head []byte, at int, flip byte) {
		b := bytes.Clone(good)
		copy(b, head)
		b[int(uint(at)%uint(len(b)))] ^= flip
		step, err := load(m, b)
		if err == nil && !bytes.Equal(encode(nil, m, step), b) {
			t.Fatal("a state loads as another")
		}
	})
}
