package native

import (
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/enginetest"
	"github.com/crescendo-network/crescendo/engine/internal/kernel"
)

// TestCloseLeavesNothing: what was computed of a text is overwritten wherever
// decoding keeps it, the workers' own memory included.
func TestCloseLeavesNothing(t *testing.T) {
	m, err := New(1).New(enginetest.Shapes["mixture"])
	if err != nil {
		t.Fatal(err)
	}
	New(1).Init(m, 3)
	tokens := enginetest.Tokens(1, m.Shape().Vocab, 20)
	for _, int8 := range []bool{false, true} {
		opened, err := m.(engine.Batcher).Batch(engine.BatchOptions{Pages: 3, PageTokens: 8, Rows: 20, LogitRows: 20, Int8: int8})
		if err != nil {
			t.Fatal(err)
		}
		b := opened.(*batch)
		if _, err := b.Step([]engine.Run{{Tokens: tokens, Pages: []int32{2, 0, 1}, Logits: 20}}); err != nil {
			t.Fatal(err)
		}
		left := map[string][]float32{"x": b.x, "h": b.h, "qkv": b.qkv, "y": b.y, "gate and up": b.gateUp, "act": b.act, "logits": b.logits,
			"router": b.mixed.logits, "experts' inputs": b.mixed.x, "experts' outputs": b.mixed.out}
		for i := range b.pages.keys {
			left["keys"], left["values"] = b.pages.keys[i], b.pages.values[i]
		}
		workers := b.team.members
		for _, w := range workers {
			left["worker's scores"], left["worker's keys"] = w.probs, w.keys
		}
		b.Close()
		leavesNothing(t, left)
		for _, w := range workers {
			if w.Scratch != (kernel.Scratch{}) {
				t.Errorf("8 bits %v: a worker's panel is left", int8)
			}
		}
	}

	opened, err := m.Session(30)
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*session)
	if _, err := s.Feed(tokens); err != nil {
		t.Fatal(err)
	}
	left := map[string][]float32{"x": s.x, "h": s.h, "qkv": s.qkv, "y": s.y, "act": s.act, "scores": s.scores, "logits": s.logits,
		"keys": s.keys[0], "values": s.values[1], "experts' inputs": s.mixed.x}
	s.Close()
	leavesNothing(t, left)
	if s.scratch != (kernel.Scratch{}) {
		t.Error("a session's panel is left")
	}
}

func leavesNothing(t *testing.T, left map[string][]float32) {
	t.Helper()
	for name, list := range left {
		for i, v := range list {
			if v != 0 {
				t.Errorf("%s: element %d of %d is %v", name, i, len(list), v)
				break
			}
		}
	}
}
