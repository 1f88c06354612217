package governance

import (
	"fmt"
	"math/bits"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Due lists proposals whose deadline has come, the earliest first, and no more
// than one block should close.
func Due(env crescendo.Env, r kv.Reader) ([]uint64, error) {
	queue, err := Dues.List(r, nil, maxClose)
	if err != nil {
		return nil, fmt.Errorf("list proposals that are due: %w", err)
	}
	var ids []uint64
	for _, e := range queue {
		if deadline := number(e.Rest[:min(8, len(e.Rest))]); crescendo.Height(deadline) > env.Height {
			break
		}
		ids = append(ids, number(e.Rest))
	}
	return ids, nil
}

// Close counts a proposal that is due and sends its deposit back, or to the
// treasury. What a proposal that passed asks for is for the caller to do.
func Close(s kv.Store, t Terms, id uint64, treasury crescendo.Account) (crescendo.Outcome, Proposal, error) {
	var out crescendo.Outcome
	p, err := Load(s, id)
	if err != nil {
		return out, p, err
	}
	if p.Status != Voting {
		return out, p, crescendo.Errorf(crescendo.CodeInternal, "close proposal %d: it is %s", id, p.Status)
	}
	kind, reason := "governance.rejected", ""
	p.Status, p.Returned = Rejected, p.quorate(t)
	switch {
	case !p.Returned:
		reason = "quorum missed"
	case !p.carried(t):
		reason = "threshold missed"
	default:
		p.Status, kind, reason = Passed, "governance.passed", "carried"
	}
	to := treasury
	if p.Returned {
		to = p.Author
	}
	if err := Opens.Delete(s, uint32(p.Rung), id); err != nil {
		return out, p, err
	}
	if err := Dues.Delete(s, uint64(p.Deadline), id); err != nil {
		return out, p, err
	}
	out.Pay(Pot(p.Rung), to, p.Deposit)
	out.Emit(crescendo.NewEvent(kind, p.Rung, "proposal", id, "kind", p.Kind, "reason", reason, "yes", p.Yes, "no", p.No,
		"eligible", p.Eligible, "quorum-bp", t.QuorumBP, "threshold-bp", t.ThresholdBP, "deposit", p.Deposit, "deposit-to", to))
	return out, p, Proposals.Set(s, p, id)
}

// quorate reports whether enough shares voted. Both sums are shares of one
// raise, so that they cannot wrap.
func (p Proposal) quorate(t Terms) bool {
	return p.Yes+p.No > 0 && reaches(p.Yes+p.No, p.Eligible, t.QuorumBP)
}

// carried reports whether enough of the shares that voted said yes; a tie is a
// no.
func (p Proposal) carried(t Terms) bool {
	return p.Yes > p.No && reaches(p.Yes, p.Yes+p.No, t.ThresholdBP)
}

// reaches reports whether part is at least so many basis points of whole,
// without rounding.
func reaches(part, whole crescendo.Amount, bp uint32) bool {
	ah, al := bits.Mul64(uint64(part), 10000)
	bh, bl := bits.Mul64(uint64(whole), uint64(bp))
	return ah > bh || (ah == bh && al >= bl)
}

// Lapse records that a halt was carried when there was nothing left to halt.
func Lapse(s kv.Store, id uint64, why string) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	p, err := Load(s, id)
	if err != nil {
		return out, err
	}
	p.Status = Lapsed
	out.Emit(crescendo.NewEvent("governance.lapsed", p.Rung, "proposal", id, "reason", why))
	return out, Proposals.Set(s, p, id)
}
