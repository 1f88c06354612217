package bench

import (
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
)

// TestRun checks that a run fills every figure and that threads and kernels do
// not show in the weights.
func TestRun(t *testing.T) {
	tiny, err := Named("tiny")
	if err != nil {
		t.Fatal(err)
	}
	hashes := map[string]string{}
	names := native.Kernels()
	if len(names) > 1 {
		names = names[1:] // portable is slow, and compared in engine/native
	}
	for _, name := range names {
		for threads := 1; threads <= 2; threads++ {
			e, err := native.NewWithKernel(threads, name)
			if err != nil {
				t.Fatal(err)
			}
			r, err := Run(e, tiny, Settings{Threads: threads, Steps: 2})
			if err != nil {
				t.Fatal(err)
			}
			if r.Kernel != name || r.Threads != threads || r.Steps != 2 || r.Optimizer != engine.Muon || r.Loss <= 0 ||
				r.Train <= 0 || r.TrainByCPU <= 0 || r.Prefill <= 0 || r.Decode <= 0 || r.PeakBytes <= 0 {
				t.Errorf("a figure is missing: %+v", r)
			}
			hashes[r.SHA256] = name
		}
	}
	if len(hashes) != 1 {
		t.Errorf("weights differ: %v", hashes)
	}
}

func TestModels(t *testing.T) {
	last := 0
	for _, m := range Models() {
		if m.Parameters <= last || m.Sequence > m.Shape.Context {
			t.Errorf("%s: %d parameters after %d, %d tokens in a context of %d", m.Name, m.Parameters, last, m.Sequence, m.Shape.Context)
		}
		last = m.Parameters
	}
	if _, err := Named("huge"); err == nil {
		t.Error("an unknown model was found")
	}
}

// TestServe: what is decoded does not depend on kernel, threads or company, and
// in 8 bits it is something else.
func TestServe(t *testing.T) {
	tiny, err := Named("tiny")
	if err != nil {
		t.Fatal(err)
	}
	hashes := map[bool]map[string]bool{false: {}, true: {}}
	for _, name := range native.Kernels() {
		for _, threads := range []int{1, 2} {
			e, err := native.NewWithKernel(threads, name)
			if err != nil {
				t.Fatal(err)
			}
			m, err := e.New(tiny.Shape)
			if err != nil {
				t.Fatal(err)
			}
			e.Init(m, 1)
			for _, int8 := range []bool{false, true} {
				r, err := Serve(m, ServeSettings{Batch: 3, Int8: int8})
				if err != nil {
					t.Fatal(err)
				}
				if r.Batch != 3 || r.Int8 != int8 || r.Prefill <= 0 || r.Decode <= 0 {
					t.Errorf("a figure is missing: %+v", r)
				}
				hashes[int8][r.SHA256] = true
			}
		}
	}
	if len(hashes[false]) != 1 || len(hashes[true]) != 1 {
		t.Errorf("logits differ: %v", hashes)
	}
	for h := range hashes[false] {
		if hashes[true][h] {
			t.Error("logits in 8 bits are those in float32")
		}
	}
}
