package research

import (
	"strings"
	"unicode/utf8"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
)

const one = 1_000_000 // millionths

// Check refuses a recipe that no programme could train by. Whether it fits a
// rung's budget is for package program.
func (r Recipe) Check() error {
	switch {
	case r.Version != RecipeVersion:
		return bad("version: %d, want %d", r.Version, RecipeVersion)
	case r.Name == "" || len(r.Name) > MaxName || !printable(r.Name):
		return bad("name: want 1 to %d printable bytes", MaxName)
	case r.Sequences > 1<<12:
		return bad("sequences: %d per step, at most %d", r.Sequences, 1<<12)
	case r.Context > 1<<20 || r.Context != 0 && (r.Context < 16 || r.Context&(r.Context-1) != 0):
		return bad("context: %d, want a power of two from 16 to %d", r.Context, 1<<20)
	}
	if err := address.CheckSender(r.Author); err != nil {
		return bad("author: %v", err)
	}
	if err := checkParents(r.ID(), r.Parents); err != nil {
		return err
	}
	if err := r.onlyTask(); err != nil {
		return err
	}
	if err := r.Optimizer.check(); err != nil {
		return err
	}
	if err := r.Model.check(); err != nil {
		return err
	}
	if err := r.Tokenizer.check(); err != nil {
		return err
	}
	return CheckData(r.Mix, r.Filter)
}

func bad(format string, args ...any) error {
	return crescendo.Errorf(crescendo.CodeInvalid, "recipe: "+format, args...)
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 })
}

func (o Optimizer) check() error {
	switch {
	case o == Optimizer{}:
		return nil
	case o.Kind != "muon" && o.Kind != "adamw":
		return bad("optimizer.kind: want muon or adamw")
	case o.LRMillionths == 0 || o.LRMillionths > one:
		return bad("optimizer.lr-millionths: %d, want 1 to %d", o.LRMillionths, one)
	case o.MatrixLRMillionths == 0 || o.MatrixLRMillionths > one:
		return bad("optimizer.matrix-lr-millionths: %d, want 1 to %d", o.MatrixLRMillionths, one)
	case o.Beta1Millionths >= one || o.Beta2Millionths >= one || o.MomentumMillionths >= one:
		return bad("optimizer.beta1-millionths: betas and momentum must be below %d", one)
	case o.WeightDecayMillionths > one || o.ClipMillionths > 1000*one:
		return bad("optimizer.weight-decay-millionths: weight decay or clip out of range")
	case o.WarmupBP > 10000 || o.FinalBP > 10000:
		return bad("optimizer.warmup-bp: warm-up and final fraction are at most 10000")
	case o.Schedule != "" && o.Schedule != Cosine && o.Schedule != WSD:
		return bad("optimizer.schedule: want %s or %s", Cosine, WSD)
	}
	return nil
}

func (m Model) check() error {
	const most = 1 << 20
	if m == (Model{}) {
		return nil
	}
	for _, f := range []struct {
		name  string
		value uint32
		most  uint32
	}{{"dim", m.Dim, most}, {"layers", m.Layers, 4096}, {"heads", m.Heads, 4096}, {"kv-heads", m.KVHeads, 4096}, {"ffn", m.FFN, most}} {
		if f.value == 0 || f.value > f.most {
			return bad("model.%s: %d, want 1 to %d", f.name, f.value, f.most)
		}
	}
	return nil
}

func checkParents(recipe crescendo.Hash, parents []crescendo.Hash) error {
	if len(parents) > MaxParents {
		return crescendo.Errorf(crescendo.CodeInvalid, "register recipe %s: %d parents, at most %d are allowed",
			recipe.Short(), len(parents), MaxParents)
	}
	for i, p := range parents {
		if p.IsZero() || p == recipe {
			return crescendo.Errorf(crescendo.CodeInvalid, "register recipe %s: it cannot be built on %s", recipe.Short(), p.Short())
		}
		for _, q := range parents[:i] {
			if p == q {
				return crescendo.Errorf(crescendo.CodeInvalid, "register recipe %s: parent %s is named twice", recipe.Short(), p.Short())
			}
		}
	}
	return nil
}
