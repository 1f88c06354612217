package program

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/research"
)

// Bounds on a programme. They keep the work of one block bounded and every
// derived figure inside 64 bits.
const (
	MaxRungs      = 16
	MaxSeats      = 256
	MaxRounds     = 10000
	MaxAmount     = crescendo.Amount(1 << 56)
	maxModel      = 1 << 20 // any one dimension of a model
	maxParameters = 1 << 43
)

// Validate refuses a programme that could not be carried out. The error names
// the rung and the field.
func (s Spec) Validate() error {
	if err := s.validateHead(); err != nil {
		return crescendo.Errorf(crescendo.CodeInvalid, "programme %q: %v", clip(s.Name), err)
	}
	for i := range s.Rungs {
		if err := s.validateRung(i); err != nil {
			return crescendo.Errorf(crescendo.CodeInvalid, "programme %q: rung %d: %v", clip(s.Name), i+1, err)
		}
	}
	if err := s.validateFunnel(); err != nil {
		return crescendo.Errorf(crescendo.CodeInvalid, "programme %q: funnel.%v", clip(s.Name), err)
	}
	return nil
}

func clip(name string) string { return name[:min(len(name), 64)] }

func (s Spec) validateHead() error {
	switch {
	case s.Name == "" || len(s.Name) > 64:
		return fmt.Errorf("name: want 1 to 64 bytes")
	case s.Denom == "" || len(s.Denom) > 64:
		return fmt.Errorf("denom: want the smallest unit of the settlement money, such as udemo")
	case len(s.Rungs) == 0 || len(s.Rungs) > MaxRungs:
		return fmt.Errorf("rungs: %d, want 1 to %d", len(s.Rungs), MaxRungs)
	case s.Corpus.Source == "" || len(s.Corpus.Source) > 256:
		return fmt.Errorf("corpus.source: want \"go\" or a name of at most 256 bytes")
	case s.Corpus.Vocabulary < 257 || s.Corpus.Vocabulary > 1<<20:
		return fmt.Errorf("corpus.vocabulary: %d, want 257 to %d", s.Corpus.Vocabulary, 1<<20)
	case s.Corpus.HeldOutPerMille == 0 || s.Corpus.HeldOutPerMille > 500:
		return fmt.Errorf("corpus.held-out-per-mille: %d, want 1 to 500", s.Corpus.HeldOutPerMille)
	case s.Evaluation.MinEvaluators == 0 || s.Evaluation.MinEvaluators > 64:
		return fmt.Errorf("evaluation.min-evaluators: %d, want 1 to 64", s.Evaluation.MinEvaluators)
	case s.Evaluation.Sequences == 0 || s.Evaluation.Sequences > 4096:
		return fmt.Errorf("evaluation.sequences: %d, want 1 to 4096", s.Evaluation.Sequences)
	}
	if err := s.Governance.validate(); err != nil {
		return fmt.Errorf("governance.%w", err)
	}
	return amount("evaluation.bond", s.Evaluation.Bond)
}

func (s Spec) validateRung(i int) error {
	r := s.Rungs[i]
	if r.Name == "" || len(r.Name) > 64 {
		return fmt.Errorf("name: want 1 to 64 bytes")
	}
	if err := r.Model.validate(r.Model.Vocabulary(s.Corpus.Vocabulary)); err != nil {
		return fmt.Errorf("model.%w", err)
	}
	if v := r.Model.Vocabulary(s.Corpus.Vocabulary); v < s.Corpus.Vocabulary {
		return fmt.Errorf("model.vocab: %d is below the corpus's vocabulary of %d", v, s.Corpus.Vocabulary)
	}
	if err := r.Raise.validate(); err != nil {
		return fmt.Errorf("raise.%w", err)
	}
	if err := r.Training.validate(); err != nil {
		return fmt.Errorf("training.%w", err)
	}
	if i > 0 && s.Rungs[i-1].Training.Keep < r.Training.MinTrainers {
		return fmt.Errorf("training.min-trainers: %d, but rung %d keeps only %d", r.Training.MinTrainers, i, s.Rungs[i-1].Training.Keep)
	}
	if err := r.Sealing.validate(); err != nil {
		return fmt.Errorf("sealing.%w", err)
	}
	if err := r.Inference.validate(); err != nil {
		return fmt.Errorf("inference.%w", err)
	}
	if err := r.Revenue.validate(); err != nil {
		return fmt.Errorf("revenue.%w", err)
	}
	if err := s.validateStart(i); err != nil {
		return fmt.Errorf("start.%w", err)
	}
	if err := s.validateSeason(i); err != nil {
		return fmt.Errorf("season.%w", err)
	}
	return r.validateCompetition()
}

func (m Model) validate(vocab uint32) error {
	for _, f := range []struct {
		name  string
		value uint32
		most  uint32
	}{
		{"dim", m.Dim, maxModel}, {"layers", m.Layers, 4096}, {"heads", m.Heads, 4096}, {"kv-heads", m.KVHeads, 4096},
		{"ffn", m.FFN, maxModel}, {"context", m.Context, maxModel}, {"vocab", vocab, maxModel},
	} {
		if f.value == 0 || f.value > f.most {
			return fmt.Errorf("%s: %d, want 1 to %d", f.name, f.value, f.most)
		}
	}
	if err := m.validateExperts(); err != nil { // before anything is counted
		return err
	}
	switch {
	case m.Dim%m.Heads != 0:
		return fmt.Errorf("heads: %d does not divide dim %d", m.Heads, m.Dim)
	case m.Dim/m.Heads%2 != 0:
		return fmt.Errorf("heads: head size %d is odd, rotary embedding needs an even one", m.Dim/m.Heads)
	case m.Heads%m.KVHeads != 0:
		return fmt.Errorf("kv-heads: %d does not divide heads %d", m.KVHeads, m.Heads)
	case Parameters(m, vocab) > maxParameters:
		return fmt.Errorf("dim: %d parameters, at most %d", Parameters(m, vocab), uint64(maxParameters))
	}
	return m.validateExtras()
}

func (r Raise) validate() error {
	switch {
	case r.SoftCap == 0 || r.SoftCap > r.HardCap:
		return fmt.Errorf("soft-cap: %d, want above zero and at most the hard cap %d", r.SoftCap, r.HardCap)
	case r.Blocks == 0 || r.Blocks > 1<<32:
		return fmt.Errorf("blocks: %d, want 1 to %d", r.Blocks, uint64(1)<<32)
	}
	return amount("hard-cap", r.HardCap)
}

func (t Training) validate() error {
	type bound struct {
		name         string
		value        uint64
		least, limit uint64
	}
	for _, b := range []bound{
		{"rounds", uint64(t.Rounds), 1, MaxRounds}, {"steps", uint64(t.Steps), 1, 1 << 16},
		{"sequences", uint64(t.Sequences), 1, 1 << 20}, {"eager", uint64(t.Eager), 0, uint64(t.Steps)},
		{"min-trainers", uint64(t.MinTrainers), 1, uint64(t.Seats)}, {"seats", uint64(t.Seats), 1, MaxSeats},
		{"keep", uint64(t.Keep), 1, uint64(t.Seats)}, {"probation", uint64(t.Probation), 0, MaxRounds},
		{"audit-per-mille", uint64(t.AuditPerMille), 0, 1000},
		{"commit-blocks", t.CommitBlocks, 1, 1 << 32}, {"reveal-blocks", t.RevealBlocks, 1, 1 << 32}, {"vote-blocks", t.VoteBlocks, 1, 1 << 32},
		{"trainers-bp", uint64(t.TrainersBP), 0, 10000}, {"evaluators-bp", uint64(t.EvaluatorsBP), 0, 10000}, {"operator-bp", uint64(t.OperatorBP), 0, 10000},
	} {
		if b.value < b.least || b.value > b.limit {
			return fmt.Errorf("%s: %d, want %d to %d", b.name, b.value, b.least, b.limit)
		}
	}
	if sum := t.TrainersBP + t.EvaluatorsBP + t.OperatorBP; sum > 10000 {
		return fmt.Errorf("trainers-bp: with evaluators-bp and operator-bp %d of 10000", sum)
	}
	if t.Codec != "q2" && t.Codec != "int8" && t.Codec != "f32" {
		return fmt.Errorf("codec: %q, want q2, int8 or f32", clip(t.Codec))
	}
	if err := t.Optimizer.validate(); err != nil {
		return fmt.Errorf("optimizer.%w", err)
	}
	if err := research.CheckData(t.Mix, t.Filter); err != nil {
		return err
	}
	return amount("bond", t.Bond)
}

func (o Optimizer) validate() error {
	const one = 1000000
	switch {
	case o.Kind != "muon" && o.Kind != "adamw":
		return fmt.Errorf("kind: %q, want muon or adamw", clip(o.Kind))
	case o.LRMillionths == 0 || o.LRMillionths > one:
		return fmt.Errorf("lr-millionths: %d, want 1 to %d", o.LRMillionths, one)
	case o.MatrixLRMillionths == 0 || o.MatrixLRMillionths > one:
		return fmt.Errorf("matrix-lr-millionths: %d, want 1 to %d", o.MatrixLRMillionths, one)
	case o.Beta1Millionths >= one || o.Beta2Millionths >= one || o.MomentumMillionths >= one:
		return fmt.Errorf("beta1-millionths: betas and momentum must be below %d", one)
	case o.WeightDecayMillionths > one || o.ClipMillionths > 1000*one:
		return fmt.Errorf("weight-decay-millionths: weight decay or clip out of range")
	case o.WarmupBP > 10000 || o.FinalBP > 10000:
		return fmt.Errorf("warmup-bp: warm-up and final fraction are at most 10000")
	case o.Schedule != "" && o.Schedule != research.Cosine && o.Schedule != research.WSD:
		return fmt.Errorf("schedule: %q, want %s or %s", clip(o.Schedule), research.Cosine, research.WSD)
	}
	return nil
}

func (s Sealing) validate() error {
	switch {
	case s.Policy != Open && s.Policy != SealedUntilRepaid && s.Policy != Sealed:
		return fmt.Errorf("policy: %q, want %s, %s or %s", clip(s.Policy), Open, SealedUntilRepaid, Sealed)
	case s.FinalSteps > 1<<16:
		return fmt.Errorf("final-steps: %d, at most %d", s.FinalSteps, 1<<16)
	case s.OpenBlocks > 1<<40:
		return fmt.Errorf("open-blocks: at most %d", uint64(1)<<40)
	}
	return nil
}

func (i Inference) validate() error {
	const most = crescendo.Amount(1 << 40)
	switch {
	case i.InputPrice > most:
		return fmt.Errorf("input-price: %d per thousand tokens, at most %d", i.InputPrice, most)
	case i.OutputPrice > most:
		return fmt.Errorf("output-price: %d per thousand tokens, at most %d", i.OutputPrice, most)
	case i.GraceBlocks > 1<<32:
		return fmt.Errorf("grace-blocks: at most %d", uint64(1)<<32)
	}
	if err := inference.CheckWeights(i.Weights); err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	return nil
}

func (r Revenue) validate() error {
	switch {
	case r.OperatorsBP > 10000:
		return fmt.Errorf("operators-bp: %d, at most 10000", r.OperatorsBP)
	case r.HoldersBP > 10000 || r.ContributorsBP > 10000 || r.HoldersBP+r.ContributorsBP > 10000:
		return fmt.Errorf("holders-bp: with contributors-bp above 10000")
	case r.HoldersCapBP > 1000000:
		return fmt.Errorf("holders-cap-bp: %d, at most 1000000", r.HoldersCapBP)
	case r.RoyaltyBP > 10000:
		return fmt.Errorf("royalty-bp: %d, at most 10000", r.RoyaltyBP)
	}
	return nil
}

func amount(name string, a crescendo.Amount) error {
	if a > MaxAmount {
		return fmt.Errorf("%s: %d, at most %d", name, a, MaxAmount)
	}
	return nil
}
