package program_test

import (
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
)

func TestValidateNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		change func(*program.Spec)
		text   string
	}{
		{func(s *program.Spec) {}, ""},
		{func(s *program.Spec) { s.Name = "" }, "name"},
		{func(s *program.Spec) { s.Denom = "" }, "denom"},
		{func(s *program.Spec) { s.Rungs = nil }, "rungs: 0"},
		{func(s *program.Spec) { s.Corpus.Vocabulary = 100 }, "corpus.vocabulary"},
		{func(s *program.Spec) { s.Corpus.HeldOutPerMille = 0 }, "corpus.held-out-per-mille"},
		{func(s *program.Spec) { s.Evaluation.MinEvaluators = 65 }, "evaluation.min-evaluators"},
		{func(s *program.Spec) { s.Evaluation.Bond = 1 << 60 }, "evaluation.bond"},
		{func(s *program.Spec) { s.Governance = program.Governance{} }, ""},
		{func(s *program.Spec) { s.Governance.VoteBlocks = 0 }, "governance.vote-blocks: 0"},
		{func(s *program.Spec) { s.Governance.QuorumBP = 10001 }, "governance.quorum-bp"},
		{func(s *program.Spec) { s.Governance.ThresholdBP = 4999 }, "governance.threshold-bp: 4999"},
		{func(s *program.Spec) { s.Governance.Deposit = 1 << 60 }, "governance.deposit"},
		{func(s *program.Spec) { s.Rungs[1].Model.Dim = 0 }, "rung 2: model.dim"},
		{func(s *program.Spec) { s.Rungs[0].Model.Heads = 3 }, "rung 1: model.heads"},
		{func(s *program.Spec) { s.Rungs[0].Model.Heads = 16; s.Rungs[0].Model.KVHeads = 16 }, "head size 1 is odd"},
		{func(s *program.Spec) { s.Rungs[0].Model.KVHeads = 0 }, "model.kv-heads"},
		{func(s *program.Spec) { s.Rungs[0].Model.Vocab = 256 }, "model.vocab: 256 is below the corpus's"},
		{func(s *program.Spec) { s.Rungs[0].Raise.SoftCap = 0 }, "raise.soft-cap"},
		{func(s *program.Spec) { s.Rungs[0].Raise.HardCap = 1 << 57 }, "raise.hard-cap"},
		{func(s *program.Spec) { s.Rungs[0].Raise.Blocks = 0 }, "raise.blocks"},
		{func(s *program.Spec) { s.Rungs[0].Training.Eager = 3 }, "training.eager: 3, want 0 to 2"},
		{func(s *program.Spec) { s.Rungs[0].Training.Seats = 257 }, "training.seats"},
		{func(s *program.Spec) { s.Rungs[0].Training.MinTrainers = 9 }, "training.min-trainers"},
		{func(s *program.Spec) { s.Rungs[0].Training.CommitBlocks = 0 }, "training.commit-blocks"},
		{func(s *program.Spec) { s.Rungs[0].Training.TrainersBP = 9000 }, "training.trainers-bp"},
		{func(s *program.Spec) { s.Rungs[0].Training.TrainersBP = 1<<32 - 1 }, "training.trainers-bp"},
		{func(s *program.Spec) { s.Rungs[0].Training.Codec = "zip" }, `training.codec: "zip"`},
		{func(s *program.Spec) { s.Rungs[0].Training.Optimizer.Kind = "" }, "training.optimizer.kind"},
		{func(s *program.Spec) { s.Rungs[1].Training.MinTrainers = 4 }, "rung 1 keeps only 3"},
		{func(s *program.Spec) { s.Rungs[0].Sealing.Policy = "ajar" }, "sealing.policy"},
		{func(s *program.Spec) { s.Rungs[0].Inference.OutputPrice = 1 << 41 }, "inference.output-price"},
		{func(s *program.Spec) { s.Rungs[0].Inference.Weights = "q8" }, ""},
		{func(s *program.Spec) { s.Rungs[0].Inference.Weights = "q4" }, `rung 1: inference.weights: "q4", want float32 (or nothing) or q8`},
		{func(s *program.Spec) { s.Rungs[1].Inference.Weights = "float32" }, `rung 2: inference.weights: "float32"`}, // one name in state: the zero value
		{func(s *program.Spec) { s.Rungs[0].Revenue.HoldersBP = 1<<32 - 1; s.Rungs[0].Revenue.ContributorsBP = 2 }, "revenue.holders-bp"},
		{func(s *program.Spec) { s.Rungs[0].Revenue.OperatorsBP = 10001 }, "revenue.operators-bp"},
	} {
		spec := testSpec()
		c.change(&spec)
		err := spec.Validate()
		if (c.text == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), c.text)) {
			t.Errorf("%v, want %q", err, c.text)
		}
		if err != nil && crescendo.CodeOf(err) != crescendo.CodeInvalid {
			t.Errorf("%v: code %s", err, crescendo.CodeOf(err))
		}
		if s := kv.NewMemory(); (program.Genesis(s, spec) == nil) != (err == nil) {
			t.Error("genesis takes what validation refuses, or the other way round")
		}
	}
}

// The count that every other place is compared with: embedding, attention,
// feed-forward and norms, written out for one model.
func TestParameters(t *testing.T) {
	m := program.Model{Dim: 64, Layers: 5, Heads: 2, KVHeads: 2, FFN: 176, Context: 128, Tied: true}
	if got := program.Parameters(m, 4096); got != 4096*64+5*(4*64*64+3*64*176+2*64)+64 {
		t.Error(got)
	}
	m.Tied, m.KVHeads = false, 1
	if got := program.Parameters(m, 4096); got != 2*4096*64+5*(2*64*64+2*64*32+3*64*176+2*64)+64 {
		t.Error(got)
	}
	if program.Parameters(program.Model{}, 1) != 0 {
		t.Error("a model without heads has parameters")
	}
}

// A ledger without a programme answers, and does not panic.
func TestEmptyLedger(t *testing.T) {
	rules := program.Rules{}
	if _, err := rules.Apply(crescendo.Env{}, kv.NewMemory(), &program.MsgOpenRaise{Sender: "olga", Rung: 1}); crescendo.CodeOf(err) != crescendo.CodeInternal {
		t.Error(err)
	}
	if _, err := rules.Apply(crescendo.Env{}, kv.NewMemory(), nil); crescendo.CodeOf(err) != crescendo.CodeInvalid {
		t.Error(err)
	}
	if _, err := rules.EndBlock(crescendo.Env{}, kv.NewMemory()); err == nil {
		t.Error("a block of nothing ends well")
	}
}

func TestMessagesAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range program.Messages() {
		if seen[m.TypeURL()] || !strings.HasPrefix(m.TypeURL(), "/crescendo.") {
			t.Errorf("type URL %s", m.TypeURL())
		}
		seen[m.TypeURL()] = true
		if d, err := program.Decode(m.TypeURL(), nil); err != nil || d.TypeURL() != m.TypeURL() {
			t.Errorf("decode %s: %v", m.TypeURL(), err)
		}
		rules := program.Rules{}
		if _, err := rules.Apply(crescendo.Env{}, kv.NewMemory(), m); crescendo.CodeOf(err) != crescendo.CodeInvalid {
			t.Errorf("an empty %T: %v", m, err)
		}
	}
	if _, err := program.Decode("/crescendo.none.v1.MsgNone", nil); crescendo.CodeOf(err) != crescendo.CodeInvalid {
		t.Error(err)
	}
	if _, err := program.Decode("/crescendo.funding.v1.MsgContribute", []byte{0xff}); crescendo.CodeOf(err) != crescendo.CodeInvalid {
		t.Error(err)
	}
}
