package evaluation

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Record is what a rung's ledger says about one trainer when it is ranked.
type Record struct {
	Trainer    crescendo.Account
	Gain       int64  // sum over scored rounds, micro-nats per target
	GainSquare uint64 // sum of squares
	Scored     uint32
	Rounds     uint32 // counted
	Tokens     uint64 // verified
	Fault      string // expelled, and why
	Left       bool
}

// widest is the half width of an interval about which nothing is known.
const widest = 10_000_000

// maxScored is more rounds than a programme may have.
const maxScored = 10_000

// Rank orders the trainers of a finished rung. At most keep of them go on:
// those in good standing that were counted in at least half of all rounds and
// whose mean gain is above zero, by the lower end of the 95 % interval, then
// by verified tokens, then by account. All figures are integers.
func Rank(records []Record, rounds, keep uint32) []Standing {
	out := make([]Standing, len(records))
	for i, r := range records {
		mean, half := interval(r)
		out[i] = Standing{Trainer: r.Trainer, Mean: mean, Lower: mean - half, Upper: mean + half,
			Tokens: r.Tokens, Rounds: r.Rounds, Reason: unfit(r, mean, rounds)}
	}
	slices.SortFunc(out, func(a, b Standing) int {
		switch {
		case (a.Reason == "") != (b.Reason == ""):
			if a.Reason == "" {
				return -1
			}
			return 1
		case a.Lower != b.Lower:
			return cmp.Compare(b.Lower, a.Lower)
		case a.Tokens != b.Tokens:
			return cmp.Compare(b.Tokens, a.Tokens)
		}
		return strings.Compare(string(a.Trainer), string(b.Trainer))
	})
	for i := range out {
		switch {
		case out[i].Reason != "":
		case uint32(i) < keep:
			out[i].Kept = true
		default:
			out[i].Reason = "below the last place kept"
		}
	}
	return out
}

func unfit(r Record, mean int64, rounds uint32) string {
	switch {
	case r.Fault != "":
		return "expelled: " + r.Fault
	case r.Left:
		return "left"
	case 2*uint64(r.Rounds) < uint64(rounds):
		return "counted in less than half of the rounds"
	case mean <= 0:
		return "no gain"
	}
	return ""
}

// interval returns the mean gain and twice its standard error, from the
// sample variance. With n gains of at most ten nats and n at most maxScored,
// nothing below leaves 64 bits.
func interval(r Record) (mean, half int64) {
	n := int64(r.Scored)
	if n == 0 || n > maxScored || r.Gain > n*widest || r.Gain < -n*widest || r.GainSquare > 1<<62 {
		return 0, widest
	}
	mean = r.Gain / n
	if n == 1 {
		return mean, widest
	}
	// The squares of gain-mean sum to this, but for the rounding of the mean,
	// whose square is below one micro-nat per round.
	spread := int64(r.GainSquare) - mean*(2*r.Gain-n*mean)
	if spread < 0 {
		return mean, widest // sums that no sequence of gains has
	}
	return mean, min(widest, int64(root(4*uint64(spread)/uint64(n*(n-1)))))
}

// root returns the integer square root, rounded down.
func root(v uint64) uint64 {
	var r uint64
	for bit := uint64(1) << 31; bit > 0; bit >>= 1 {
		if (r|bit)*(r|bit) <= v {
			r |= bit
		}
	}
	return r
}

// Publish writes the ranking into the store.
func Publish(s kv.Store, rung crescendo.RungID, ranking []Standing) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	for i, st := range ranking {
		out.Emit(crescendo.NewEvent("evaluation.ranked", rung, "rank", i+1, "trainer", st.Trainer, "mean", st.Mean,
			"lower", st.Lower, "upper", st.Upper, "rounds", st.Rounds, "kept", st.Kept, "reason", st.Reason))
		if err := Standings.Set(s, st, uint32(rung), uint32(i+1)); err != nil {
			return out, err
		}
	}
	return out, nil
}

func readRound(rest []byte) crescendo.Round { return crescendo.Round(binary.BigEndian.Uint32(rest)) }
