package evaluation

import (
	"cmp"
	"encoding/binary"
	"math/big"
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
// sample variance: (square - gain^2/n) / (n-1) / n.
func interval(r Record) (mean, half int64) {
	if r.Scored == 0 {
		return 0, widest
	}
	n := int64(r.Scored)
	mean = r.Gain / n
	if n == 1 {
		return mean, widest
	}
	gain, count := big.NewInt(r.Gain), big.NewInt(n)
	spread := new(big.Int).SetUint64(r.GainSquare)
	spread.Mul(spread, count).Sub(spread, gain.Mul(gain, gain)) // n^2 times the variance
	if spread.Sign() < 0 {
		return mean, widest // sums that no sequence of gains has
	}
	// 4 * spread / (n^2 * (n-1)) is the square of twice the standard error.
	spread.Mul(spread, big.NewInt(4))
	spread.Div(spread, new(big.Int).Mul(new(big.Int).Mul(count, count), big.NewInt(n-1)))
	return mean, min(widest, spread.Sqrt(spread).Int64())
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
