package program_test

import (
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
)

// mixture is a programme whose first model is plain, and whose second is a
// mixture of experts grown from it.
func mixture() program.Spec {
	spec := ladder()
	m := &spec.Rungs[1].Model
	m.Experts, m.ExpertsPerToken, m.BalanceMillionths = 4, 2, 10000
	return spec
}

func TestValidateExperts(t *testing.T) {
	for _, c := range []struct {
		change func(first, second *program.Model)
		text   string
	}{
		{func(_, _ *program.Model) {}, ""},
		{func(_, m *program.Model) { m.ExpertsPerToken = 5 }, "rung 2: model.experts-per-token: 5, want 1 to 4, which is how many experts there are"},
		{func(_, m *program.Model) { m.ExpertsPerToken = 0 }, "model.experts-per-token: 0, want 1 to 4"},
		{func(_, m *program.Model) { m.Experts = 1; m.ExpertsPerToken = 1 }, "model.experts: 1, want 2 to 1024, or leave it out for a plain model"},
		{func(_, m *program.Model) { m.Experts = 1025 }, "model.experts: 1025, want 2 to 1024"},
		{func(_, m *program.Model) { m.Experts = 1<<32 - 1 }, "model.experts: 4294967295"},
		{func(_, m *program.Model) { m.Experts = 0 }, "model.experts-per-token: 2, but the model has no experts; say experts: too, or neither"},
		{func(_, m *program.Model) { m.Experts, m.ExpertsPerToken = 0, 0 }, "model.balance-millionths: 10000, but the model has no experts"},
		{func(_, m *program.Model) { m.BalanceMillionths = 1000001 }, "model.balance-millionths: 1000001, at most 1000000"},
		{func(a, b *program.Model) { a.FFNBias, b.FFNBias = true, true }, "rung 2: model.ffn-bias: experts have no biases; leave it out"},
		{func(_, m *program.Model) {
			m.Dim, m.Heads, m.KVHeads, m.Layers, m.FFN, m.Experts = 1<<20, 4096, 4096, 4096, 1<<20, 1024
		}, "parameters, at most 8796093022208"}, // the largest count there is, inside 64 bits
		{func(a, b *program.Model) { a.Experts, a.ExpertsPerToken = 4, 2 }, ""}, // the balance may change
		{func(a, b *program.Model) { a.Experts, a.ExpertsPerToken = 4, 1 }, "start.from: the model cannot be grown from that of the rung before: 4 experts, 1 a token, cannot become 4, 2 a token; only a plain model becomes a mixture"},
		{func(a, b *program.Model) { a.Experts, a.ExpertsPerToken = 2, 2 }, "2 experts, 2 a token, cannot become 4, 2 a token"},
		{func(a, b *program.Model) {
			a.Experts, a.ExpertsPerToken = 4, 2
			b.Experts, b.ExpertsPerToken, b.BalanceMillionths = 0, 0, 0
		}, "4 experts, 2 a token, cannot become 0, 0 a token"},
	} {
		spec := mixture()
		c.change(&spec.Rungs[0].Model, &spec.Rungs[1].Model)
		err := spec.Validate()
		if (c.text == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%v, want %q", err, c.text)
		}
	}
}

// A programme without experts is encoded as before there were any.
func TestNoExpertsAreNoBytes(t *testing.T) {
	spec := mixture()
	m := spec.Rungs[1].Model
	with := canon.Encode(m)
	m.Experts, m.ExpertsPerToken, m.BalanceMillionths = 0, 0, 0
	// A tag of one byte for field 15, of two for fields 16 and 17; 10000 takes two.
	if without := canon.Encode(m); len(with) != len(without)+2+3+4 {
		t.Errorf("%d bytes without experts, %d with", len(without), len(with))
	}
}

// The count of a mixture, written out for one model: of a layer's experts a
// token uses two, and all of the router.
func TestExpertParameters(t *testing.T) {
	m := program.Model{Dim: 64, Layers: 5, Heads: 2, KVHeads: 2, FFN: 176, Context: 128, Tied: true, Experts: 8, ExpertsPerToken: 2}
	const rest = 4096*64 + 5*(4*64*64+2*64+8*64) + 64
	if got, want := program.Parameters(m, 4096), uint64(rest+5*8*3*64*176); got != want {
		t.Errorf("%d parameters, want %d", got, want)
	}
	if got, want := program.ActiveParameters(m, 4096), uint64(rest+5*2*3*64*176); got != want {
		t.Errorf("a token uses %d parameters, want %d", got, want)
	}
	if text := m.String(); !strings.Contains(text, ", experts: 8, experts-per-token: 2}") {
		t.Error(text)
	}
	m.Experts, m.ExpertsPerToken = 0, 0
	if program.ActiveParameters(m, 4096) != program.Parameters(m, 4096) {
		t.Error("a token of a plain model does not use all of it")
	}
}

// A recipe with a shape of its own keeps the rung's experts, and neither the model
// nor what a token uses of it may be larger than the programme's.
func TestRecipeKeepsExperts(t *testing.T) {
	spec := mixture()
	for _, c := range []struct {
		model research.Model
		text  string
	}{
		{research.Model{Dim: 32, Layers: 1, Heads: 2, KVHeads: 2, FFN: 16, Tied: true}, ""},
		{research.Model{Dim: 32, Layers: 2, Heads: 4, KVHeads: 4, FFN: 32, Tied: true}, "parameters, the rung's budget is"},
		// Nearly all of it attention: no larger, but every token would use all.
		{research.Model{Dim: 32, Layers: 3, Heads: 4, KVHeads: 4, FFN: 2, Tied: true}, "model: a token uses"},
	} {
		r := research.Recipe{Version: 1, Author: "rita", Name: "shaped", Model: c.model}
		effective, err := program.Effective(spec, 2, r)
		if (c.text == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%+v: %v, want %q", c.model, err, c.text)
		}
		if err != nil {
			continue
		}
		m := effective.Rungs[1].Model
		if m.Experts != 4 || m.ExpertsPerToken != 2 || m.BalanceMillionths != 10000 || m.FFN != c.model.FFN {
			t.Errorf("the recipe's model is %v", m)
		}
	}
}
