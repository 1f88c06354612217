package research

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Veteran stands for an account that a season does not take: it is known
// already.
type Veteran struct {
	Season crescendo.RungID `pb:"1"`
}

// Veterans lists them. Key: [uint32(contest), account]
var Veterans = kv.Map[Veteran]{Name: "research/veteran"}

// OpenSeason opens the season of a rung whose raise begins. Its clock runs from
// now on, for its purse is known: it is measured by the least the raise must
// bring. Veterans and the organiser may not enter.
func OpenSeason(env crescendo.Env, s kv.Store, t Terms, rung crescendo.RungID, organiser crescendo.Account, veterans []crescendo.Account,
	purse crescendo.Amount, window uint32) (crescendo.Outcome, error) {
	at := SeasonOf(rung)
	for _, v := range append([]crescendo.Account{organiser}, veterans...) {
		if err := Veterans.Set(s, Veteran{Season: rung}, uint32(at), string(v)); err != nil {
			return crescendo.Outcome{}, err
		}
	}
	out, err := Open(env, s, t, at, organiser, nil, window)
	if err != nil {
		return crescendo.Outcome{}, err
	}
	began, err := Begin(env, s, t, at, purse)
	out.Join(began)
	return out, err
}

// onlyNewcomers refuses a veteran's entry in a season.
func onlyNewcomers(s kv.Reader, at Contest, sender crescendo.Account) error {
	if !at.IsSeason() {
		return nil
	}
	veteran, err := Veterans.Has(s, uint32(at), string(sender))
	if err != nil {
		return fmt.Errorf("enter %s: %w", at, err)
	}
	if veteran {
		return crescendo.Errorf(crescendo.CodeForbidden, "enter %s: %s is no newcomer: a recipe of this account has gone on from a competition before", at, sender).
			WithHint(fmt.Sprintf("enter the rung's own competition: crescendo research enter --rung %d", at.Rung()))
	}
	return nil
}

// winners is how many challengers may win in the last halving stage.
func (w *turn) winners() uint32 {
	if w.at.IsSeason() {
		return w.t.KeepRecipes
	}
	return 1
}

// decideSeason names the newcomers that qualify: the best of those who beat the
// programme's own recipe beyond chance in the last halving stage.
func (w *turn) decideSeason() error {
	rows, err := Standings.List(w.s, nil, kv.MaxPage, uint32(w.at), w.t.Stages)
	if err != nil {
		return fmt.Errorf("list the ranking of %s: %w", w.at, err)
	}
	for _, row := range rows {
		st := row.Value
		if st.Baseline || !st.Survives {
			continue
		}
		e, err := Entries.Get(w.s, uint32(w.at), st.Recipe[:])
		if err != nil {
			return fmt.Errorf("read entry %s of %s: %w", st.Recipe.Short(), w.at, err)
		}
		e.Kept = true
		w.c.Kept = append(w.c.Kept, st.Recipe)
		w.emit("season.qualified", "recipe", st.Recipe, "author", e.Author, "place", len(w.c.Kept), "of", w.t.KeepRecipes,
			"gain", st.Mean, "low", st.Low, "high", st.High, "n", st.N)
		if err := Entries.Set(w.s, e, uint32(w.at), st.Recipe[:]); err != nil {
			return err
		}
	}
	if len(w.c.Kept) > 0 {
		w.c.Winner = w.c.Kept[0]
	}
	w.c.Phase, w.c.Since, w.c.Deadline = Decided, w.env.Height, 0
	w.emit("season.decided", "entries", w.c.Revealed, "qualified", len(w.c.Kept), "spent", w.c.Spent)
	out, _, err := release(w.s, w.at)
	w.out.Join(out)
	w.verdict = &Verdict{Qualified: w.c.Kept}
	return err
}

// Qualify enters a recipe of a season into the rung's own competition, by rule
// and without a bond. It counts as committed to when it was in the season:
// whoever has seen it there and enters it here is the later one.
func Qualify(s kv.Store, rung crescendo.RungID, r Recipe) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	at, id := Contest(rung), r.ID()
	c, err := during(s, at, "qualify", Entering)
	if err != nil {
		return out, err
	}
	if has, err := Entries.Has(s, uint32(at), id[:]); err != nil || has {
		return out, err
	}
	entered, err := Entries.Get(s, uint32(SeasonOf(rung)), id[:])
	if err != nil {
		return out, fmt.Errorf("read entry %s of %s: %w", id.Short(), SeasonOf(rung), err)
	}
	c.Order++
	if err := put(s, at, r, Entry{Author: r.Author, Height: entered.Height, Parents: r.Parents, Order: c.Order}); err != nil {
		return out, err
	}
	out.Emit(at.event("research.revealed", "recipe", id, "author", r.Author, "name", r.Name, "order", c.Order,
		"parents", len(r.Parents), "substance", r.Substance(), "by", "season"))
	return out, Competitions.Set(s, c, uint32(at))
}

// EndSeason ends a season without a decision: bonds go back, and nobody
// qualifies.
func EndSeason(env crescendo.Env, s kv.Store, rung crescendo.RungID, why string) (crescendo.Outcome, error) {
	out, _, err := cancel(env, s, SeasonOf(rung), "reason", why)
	return out, err
}

// Earned lists what a contest's runners have earned.
func Earned(r kv.Reader, at Contest) ([]Due, error) {
	runners, err := Runners.List(r, nil, MaxRunners, uint32(at))
	if err != nil {
		return nil, fmt.Errorf("list runners of %s: %w", at, err)
	}
	var out []Due
	for _, m := range runners {
		if m.Value.Earned > 0 {
			out = append(out, Due{readAccount(m.Rest), m.Value.Earned})
		}
	}
	return out, nil
}

// Late reports whether a competition takes no more entries after this block,
// whatever else it waits for.
func (c Competition) Late(env crescendo.Env) bool {
	return c.Phase != Entering || c.Deadline > 0 && env.Height >= c.Deadline
}

// awaitsSeason reports whether newcomers may yet qualify for the competition.
// Until they have, full places do not close it early.
func (w *turn) awaitsSeason() (bool, error) {
	if w.at.IsSeason() {
		return false, nil
	}
	c, err := Competitions.Get(w.s, uint32(SeasonOf(w.at.Rung())))
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	return c.Phase < Decided, err
}

// before orders entries by when they were committed to. What enters by rule
// keeps the height of its commitment elsewhere.
func before(a, b Entry) int {
	return cmp.Or(cmp.Compare(a.Height, b.Height), cmp.Compare(a.Order, b.Order))
}

// sealedBefore reports whether an entry was committed to before a recipe of
// this rung's season that has the same substance: its author cannot have seen
// that one.
func sealedBefore(s kv.Reader, at Contest, e contender, first crescendo.Hash) (bool, error) {
	if at.IsSeason() {
		return false, nil
	}
	there, err := Entries.Get(s, uint32(SeasonOf(at.Rung())), first[:])
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	return err == nil && e.Height < there.Height, err
}

// qualifiedBy reports whether a recipe has come into a rung's competition by
// the season, from the account that is now about to show it here.
func qualifiedBy(s kv.Reader, at Contest, recipe crescendo.Hash, sender crescendo.Account) (bool, error) {
	if at.IsSeason() {
		return false, nil
	}
	there, err := Entries.Get(s, uint32(SeasonOf(at.Rung())), recipe[:])
	if err != nil || !there.Kept || there.Author != sender {
		return false, ignoreNotFound(err)
	}
	e, err := Entries.Get(s, uint32(at), recipe[:])
	return err == nil && e.Bond == 0, ignoreNotFound(err)
}

func ignoreNotFound(err error) error {
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	return err
}

// showAgain takes the word of a newcomer that had entered the rung's own
// competition too, before it qualified with the same recipe: its bond is held
// like any other and comes back.
func showAgain(s kv.Store, at Contest, c Competition, id, commitment crescendo.Hash, entry Commitment) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	e, err := Entries.Get(s, uint32(at), id[:])
	if err != nil {
		return out, fmt.Errorf("read entry %s of %s: %w", id.Short(), at, err)
	}
	e.Bond, entry.Bond, entry.Revealed = entry.Bond, 0, id
	c.Revealed++
	if err := Entries.Set(s, e, uint32(at), id[:]); err != nil {
		return out, err
	}
	if err := Commitments.Set(s, entry, uint32(at), commitment[:], string(e.Author)); err != nil {
		return out, err
	}
	out.Emit(at.event("research.shown", "recipe", id, "author", e.Author, "bond", e.Bond))
	return out, Competitions.Set(s, c, uint32(at))
}
