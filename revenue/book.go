package revenue

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

const wholeBP = 10_000

// OpenBook begins a rung's waterfall when its raise has closed: the shares
// that holders have in all, and the amount at which they are repaid.
func OpenBook(_ crescendo.Env, s kv.Store, rung crescendo.RungID, limit crescendo.Amount, shares crescendo.Amount) error {
	opened, err := Books.Has(s, uint32(rung))
	if err != nil {
		return fmt.Errorf("open book of rung %d: %w", rung, err)
	}
	if opened {
		return crescendo.Errorf(crescendo.CodeDuplicate, "open book of rung %d: it is open already", rung)
	}
	return Books.Set(s, Book{Cap: limit, Shares: shares}, uint32(rung))
}

// Point is a contributor's verified part in a rung.
type Point struct {
	Account crescendo.Account
	Points  uint64
}

// Bounds on SetContributors: with them, scaled points cannot overflow.
const (
	MaxContributors = 4096
	maxPoints       = 1 << 50 // in all; larger sums lose low bits
)

// SetContributors fixes, once, who shares the contributors' part: the points
// of verified work, of which royaltyBP go to the authors of the adopted recipe
// and of what it builds on, in proportion to their own points; the first of
// them has what rounding leaves. If nobody has points of work the authors have
// the whole part; if there are no authors either, it goes to the next rung.
func SetContributors(_ crescendo.Env, s kv.Store, rung crescendo.RungID, points, royalty []Point, royaltyBP uint32) error {
	book, err := load(s, rung)
	if err != nil {
		return err
	}
	switch {
	case book.Points != 0:
		return crescendo.Errorf(crescendo.CodeDuplicate, "set contributors of rung %d: they are set already", rung)
	case royaltyBP > wholeBP:
		return crescendo.Errorf(crescendo.CodeInvalid, "set contributors of rung %d: royalty of %d basis points", rung, royaltyBP)
	case len(points)+len(royalty) > MaxContributors:
		return crescendo.Errorf(crescendo.CodeInvalid, "set contributors of rung %d: %d contributors, at most %d are allowed",
			rung, len(points)+len(royalty), MaxContributors)
	}
	scaled, err := scale(points, royalty, royaltyBP)
	if err != nil {
		return err
	}
	for _, p := range scaled {
		claim, err := claimable(s, rung, p.Account)
		if err != nil {
			return err
		}
		claim.Points = p.Points
		book.Points += p.Points
		if err := Claimables.Set(s, claim, uint32(rung), string(p.Account)); err != nil {
			return err
		}
	}
	return Books.Set(s, book, uint32(rung))
}

// scale returns the points of each account, sorted and without repetition,
// such that the royalty is exactly royaltyBP of their sum.
func scale(points, royalty []Point, royaltyBP uint32) ([]Point, error) {
	var sum crescendo.Amount
	var err error
	for _, p := range slices.Concat(points, royalty) {
		if p.Account == "" {
			return nil, crescendo.Errorf(crescendo.CodeInvalid, "set contributors: a contributor without account")
		}
	}
	for _, p := range points {
		if sum, err = sum.Add(crescendo.Amount(p.Points)); err != nil {
			return nil, crescendo.Errorf(crescendo.CodeInvalid, "set contributors: sum of points: %v", err)
		}
	}
	shift := 0
	for sum>>shift > maxPoints {
		shift++
	}
	if len(royalty) == 0 {
		royaltyBP = 0
	}
	var work uint64
	var out []Point
	for _, p := range points {
		kept := p.Points >> shift
		work += kept
		out = append(out, Point{p.Account, kept * uint64(wholeBP-royaltyBP)})
	}
	switch {
	case work > 0 && royaltyBP > 0:
		out = append(out, Divide(crescendo.Amount(work*uint64(royaltyBP)), royalty)...)
	case work == 0 && len(royalty) > 0:
		out = Divide(wholeBP, royalty)
	}
	return merge(out), nil
}

// Divide splits an amount in proportion to points. The first has what rounding
// leaves, and all of it if nobody has points.
func Divide(amount crescendo.Amount, among []Point) []Point {
	out := slices.Clone(among)
	var sum uint64
	for _, p := range among {
		sum += p.Points
	}
	left := amount
	for i, p := range among {
		part, err := amount.MulDiv(p.Points, max(sum, 1))
		if err != nil { // no part is larger than the whole
			part = 0
		}
		out[i].Points = uint64(part)
		left -= part
	}
	if len(out) > 0 {
		out[0].Points += uint64(left)
	}
	return out
}

func merge(points []Point) []Point {
	slices.SortStableFunc(points, func(a, b Point) int { return strings.Compare(string(a.Account), string(b.Account)) })
	var out []Point
	for _, p := range points {
		if n := len(out); n > 0 && out[n-1].Account == p.Account {
			out[n-1].Points += p.Points
			continue
		}
		out = append(out, p)
	}
	return slices.DeleteFunc(out, func(p Point) bool { return p.Points == 0 })
}

func load(r kv.Reader, rung crescendo.RungID) (Book, error) {
	book, err := Books.Get(r, uint32(rung))
	if errors.Is(err, kv.ErrNotFound) {
		return book, crescendo.Errorf(crescendo.CodeNotFound, "rung %d has no revenue book yet", rung)
	} else if err != nil {
		return book, fmt.Errorf("read book of rung %d: %w", rung, err)
	}
	return book, nil
}

func claimable(r kv.Reader, rung crescendo.RungID, account crescendo.Account) (Claimable, error) {
	claim, err := Claimables.Get(r, uint32(rung), string(account))
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return claim, fmt.Errorf("read what %s may claim of rung %d: %w", account, rung, err)
	}
	return claim, nil
}

func pot(rung crescendo.RungID) crescendo.Account { return crescendo.Pot("revenue", rung) }
