package research

import (
	"errors"
	"fmt"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// place names one trial of the open stage.
type place struct {
	at     Contest
	stage  uint32
	recipe crescendo.Hash
	seed   uint32
}

func (p place) String() string {
	return fmt.Sprintf("trial of %s with seed %d in stage %d of %s", p.recipe.Short(), p.seed, p.stage, p.at)
}

// openTrial returns a trial that the sender is designated to, if its stage is
// open and the sender in good standing.
func openTrial(s kv.Store, doing string, p place, sender crescendo.Account) (Competition, Trial, Runner, error) {
	c, err := during(s, p.at, doing+" trial", Trialling)
	if err != nil {
		return c, Trial{}, Runner{}, err
	}
	if c.Stage != p.stage {
		return c, Trial{}, Runner{}, crescendo.Errorf(crescendo.CodeWrongTime, "%s %s: stage %d is open", doing, p, c.Stage)
	}
	t, err := Trials.Get(s, uint32(p.at), p.stage, p.recipe[:], p.seed)
	if errors.Is(err, kv.ErrNotFound) {
		return c, t, Runner{}, crescendo.Errorf(crescendo.CodeNotFound, "%s %s: there is no such trial", doing, p)
	}
	if err != nil {
		return c, t, Runner{}, err
	}
	if !slices.Contains(t.Designated, sender) {
		return c, t, Runner{}, crescendo.Errorf(crescendo.CodeForbidden, "%s %s: %s is not designated to it", doing, p, sender).
			WithHint("follow the runner's duties; runners are drawn, not chosen")
	}
	r, err := Runners.Get(s, uint32(p.at), string(sender))
	if err != nil {
		return c, t, r, fmt.Errorf("read runner %s of %s: %w", sender, p.at, err)
	}
	if r.Fault != "" {
		return c, t, r, crescendo.Errorf(crescendo.CodeForbidden, "%s %s: %s has lost its bond: %s", doing, p, sender, r.Fault)
	}
	return c, t, r, nil
}

// CommitTrial takes a runner's word that it has a result, before it can see
// anybody else's.
func CommitTrial(_ crescendo.Env, s kv.Store, m *MsgCommitTrial) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	p := place{m.Contest(), m.Stage, m.Recipe, m.Seed}
	_, t, _, err := openTrial(s, "commit to the", p, m.Sender)
	if err != nil {
		return out, err
	}
	if has, err := Results.Has(s, uint32(p.at), p.stage, p.recipe[:], p.seed, string(m.Sender)); err != nil {
		return out, err
	} else if has {
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "commit to the %s: %s has done so", p, m.Sender)
	}
	if t.Agreed || t.Failed || t.Committed >= t.Wanted {
		return out, crescendo.Errorf(crescendo.CodeWrongTime, "commit to the %s: it wants no more results", p)
	}
	t.Committed++
	t.Shown = t.Shown || t.Committed >= t.Wanted
	out.Emit(p.at.event("research.trial-committed", "stage", p.stage, "recipe", p.recipe, "seed", p.seed, "runner", m.Sender,
		"committed", t.Committed, "wanted", t.Wanted))
	if err := Results.Set(s, Result{Commitment: m.Commitment}, uint32(p.at), p.stage, p.recipe[:], p.seed, string(m.Sender)); err != nil {
		return out, err
	}
	return out, Trials.Set(s, t, uint32(p.at), p.stage, p.recipe[:], p.seed)
}

// RevealTrial takes the result itself, when enough runners have committed. Two
// that agree make the trial's result, if no other has as many.
func RevealTrial(env crescendo.Env, s kv.Store, t Terms, m *MsgRevealTrial) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	p := place{m.Contest(), m.Stage, m.Recipe, m.Seed}
	c, trial, runner, err := openTrial(s, "reveal the", p, m.Sender)
	if err != nil {
		return out, err
	}
	res, err := Results.Get(s, uint32(p.at), p.stage, p.recipe[:], p.seed, string(m.Sender))
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return out, crescendo.Errorf(crescendo.CodeNotFound, "reveal the %s: %s has not committed to it", p, m.Sender)
	case err != nil:
		return out, err
	case !res.Digest.IsZero():
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "reveal the %s: %s has done so", p, m.Sender)
	case !trial.Shown:
		return out, crescendo.Errorf(crescendo.CodeWrongTime, "reveal the %s: %d of %d runners have committed", p, trial.Committed, trial.Wanted).
			WithHint("a result that is seen early can be copied")
	case TrialCommitment(env.ChainID, *m) != res.Commitment:
		return out, crescendo.Errorf(crescendo.CodeInvalid, "reveal the %s: this is not what %s committed to", p, m.Sender)
	}
	if err := checkLosses(s, m.Losses, t, c); err != nil {
		return out, err
	}
	res.Digest, res.Weights = ResultDigest(m.Weights, m.Losses), m.Weights
	if !trial.Agreed {
		res.Losses = m.Losses
	}
	trial.Revealed++
	runner.Delivered++
	if err := Runners.Set(s, runner, uint32(p.at), string(m.Sender)); err != nil {
		return out, err
	}
	if err := Results.Set(s, res, uint32(p.at), p.stage, p.recipe[:], p.seed, string(m.Sender)); err != nil {
		return out, err
	}
	j := &jury{s: s, t: t, c: c, p: p, trial: trial}
	if err := j.judge(m.Sender); err != nil {
		return crescendo.Outcome{}, err
	}
	if err := Trials.Set(s, j.trial, uint32(p.at), p.stage, p.recipe[:], p.seed); err != nil {
		return out, err
	}
	j.c.Burned += burnedIn(j.out)
	return j.out, Competitions.Set(s, j.c, uint32(p.at))
}

func checkLosses(r kv.Reader, losses []uint64, t Terms, c Competition) error {
	losses, err := documentLosses(r, losses, t, c)
	if err != nil {
		return err
	}
	if len(losses) > int(t.Documents) {
		return crescendo.Errorf(crescendo.CodeInvalid, "reveal trial: %d losses, the competition scores %d documents", len(losses), t.Documents)
	}
	for _, l := range losses {
		if most := MaxLoss * uint64(c.Window); l > most {
			return crescendo.Errorf(crescendo.CodeInvalid, "reveal trial: a loss of %d micro-nats, at most %d", l, most).
				WithHint("a trial that diverged has that loss")
		}
	}
	return nil
}

// jury settles one trial.
type jury struct {
	s     kv.Store
	t     Terms
	c     Competition
	p     place
	trial Trial
	out   crescendo.Outcome
}

// revealed is one runner's open result.
type revealed struct {
	runner crescendo.Account
	Result
}

// judge looks for an agreement after the sender has revealed.
func (j *jury) judge(sender crescendo.Account) error {
	results, err := j.results()
	if err != nil {
		return err
	}
	if j.trial.Agreed {
		return j.settle(results, ResultDigest(j.trial.Weights, j.trial.Losses), sender)
	}
	best, votes, next := leading(results)
	all := j.trial.Revealed >= j.trial.Wanted
	switch {
	case votes >= 2 && (2*votes > int(j.trial.Wanted) || all && votes > next):
		return j.agree(results, best)
	case all && len(j.trial.Designated) >= MaxReplicas:
		j.trial.Failed = true
		j.c.Open--
		j.event("research.trial-failed", "results", len(results))
		return j.relieve()
	case all:
		j.trial.Wanted++
		j.event("research.disputed", "results", len(results), "wanted", j.trial.Wanted)
		return addVacancy(j.s, j.p.at, j.p.stage, j.p.recipe, j.p.seed)
	}
	return nil
}

func (j *jury) event(kind string, pairs ...any) {
	head := []any{"stage", j.p.stage, "recipe", j.p.recipe, "seed", j.p.seed}
	j.out.Emit(j.p.at.event(kind, append(head, pairs...)...))
}

func (j *jury) results() ([]revealed, error) {
	var out []revealed
	for _, account := range j.trial.Designated {
		r, err := Results.Get(j.s, uint32(j.p.at), j.p.stage, j.p.recipe[:], j.p.seed, string(account))
		if errors.Is(err, kv.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read result of %s in the %s: %w", account, j.p, err)
		}
		if !r.Digest.IsZero() {
			out = append(out, revealed{account, r})
		}
	}
	return out, nil
}

// leading returns the result that most runners have, how many have it, and
// how many have the one after it.
func leading(results []revealed) (best Result, votes, next int) {
	for i, r := range results {
		first, n := true, 0
		for k, o := range results {
			if o.Digest == r.Digest {
				first = first && k >= i
				n++
			}
		}
		switch {
		case !first:
		case n > votes:
			best, votes, next = r.Result, n, votes
		default:
			next = max(next, n)
		}
	}
	return best, votes, next
}

// agree makes a result the trial's.
func (j *jury) agree(results []revealed, best Result) error {
	j.trial.Agreed, j.trial.Weights, j.trial.Losses = true, best.Weights, best.Losses
	j.c.Open--
	for _, r := range results {
		if err := j.settle(results, best.Digest, r.runner); err != nil {
			return err
		}
	}
	documents, err := documentLosses(j.s, best.Losses, j.t, j.c)
	if err != nil {
		return err
	}
	mean, agree := crescendo.Amount(0), 0
	for _, l := range documents {
		mean += crescendo.Amount(l)
	}
	mean /= crescendo.Amount(uint64(len(documents)) * uint64(max(j.c.Window, 1)))
	for _, r := range results {
		if r.Digest == best.Digest {
			agree++
		}
	}
	j.event("research.trial", "weights", best.Weights, "loss", mean, "documents", len(documents), "agree", agree,
		"against", len(results)-agree, "open", j.c.Open, "of", j.c.Trials)
	if err := Vacant.Delete(j.s, uint32(j.p.at), j.p.stage, j.p.recipe[:], j.p.seed); err != nil {
		return err
	}
	return j.relieve()
}

// settle pays a runner whose result the trial has, and burns the bond of one
// with another result.
func (j *jury) settle(results []revealed, digest crescendo.Hash, account crescendo.Account) error {
	at := slices.IndexFunc(results, func(r revealed) bool { return r.runner == account })
	if at < 0 {
		return nil
	}
	r, err := Runners.Get(j.s, uint32(j.p.at), string(account))
	if err != nil {
		return fmt.Errorf("read runner %s of %s: %w", account, j.p.at, err)
	}
	if results[at].Digest != digest {
		if r.Fault == "" {
			j.event("research.runner-burned", "runner", account, "burned", r.Bond, "forfeited", r.Earned)
			j.out.Pay(Pot(j.p.at), crescendo.Burn, r.Bond)
			j.c.Spent -= r.Earned
			r.Bond, r.Earned, r.Fault = 0, 0, "its result differs from the others': "+j.p.String()
		}
	} else {
		r.Agreed++
		if r.Fault == "" && j.trial.Paid < j.t.Replicas {
			each, err := pay(j.c, j.t, j.p.stage)
			if err != nil {
				return err
			}
			j.trial.Paid++
			r.Earned += each
			j.c.Spent += each
		}
	}
	if err := Runners.Set(j.s, r, uint32(j.p.at), string(account)); err != nil {
		return err
	}
	kept := results[at].Result
	kept.Losses = nil
	return Results.Set(j.s, kept, uint32(j.p.at), j.p.stage, j.p.recipe[:], j.p.seed, string(account))
}

// relieve ends the duty of everybody designated to the trial.
func (j *jury) relieve() error {
	for _, account := range j.trial.Designated {
		if err := Duties.Delete(j.s, uint32(j.p.at), string(account), j.p.stage, j.p.recipe[:], j.p.seed); err != nil {
			return err
		}
	}
	return nil
}
