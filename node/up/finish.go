package up

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/node/report"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/actor"
	"github.com/crescendo-network/crescendo/sealing"
	"golang.org/x/sync/errgroup"
)

// show prints a block's events and wakes whoever waits for the end.
func (u *run) show(b ledger.Block) {
	for _, e := range b.Events {
		line, details := u.narrator.Line(e)
		if e.Kind == "training.started" {
			if h, err := crescendo.ParseHash(e.Get("corpus")); err == nil {
				u.learnText(h)
			}
		}
		if !details || u.Verbose {
			u.Say("%7.1fs  %s", time.Since(u.began).Seconds(), line)
		}
	}
	u.noticeVaults()
	if len(b.Events) > 0 {
		u.poke()
	}
}

// learnText lets losses be shown in bits per byte from now on.
func (u *run) learnText(manifest crescendo.Hash) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	raw, err := u.blobs.Get(ctx, manifest, 0)
	if err != nil {
		return
	}
	if m, err := corpus.DecodeManifest(raw); err == nil {
		u.narrator.Text(m.HeldOut.Bytes, m.HeldOut.Tokens)
	}
}

// lookAgain is the pause before what failed because a process is just being
// started again is tried once more.
const lookAgain = 250 * time.Millisecond

// patience is how long looking may fail before it is taken for a failure of
// the run.
const patience = 2 * time.Minute

// untilDone waits until the rungs played are done, printing a summary of
// each, and returns all of them.
func (u *run) untilDone(ctx context.Context) (*report.Programme, error) {
	summary := &report.Programme{ChainID: u.net.ChainID}
	seen := time.Now() // when looking last succeeded
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-u.wake:
		}
		done, err := u.advance(ctx, summary)
		if err == nil {
			seen = time.Now()
		}
		switch {
		case err != nil && time.Since(seen) > patience:
			return nil, err
		case err != nil && ctx.Err() == nil:
			u.log.Info("look whether rungs are done", "error", err)
			time.AfterFunc(lookAgain, u.poke)
		case done && u.Exit:
			return summary, nil
		case done:
			u.Say("all rungs that fit this machine are done; serving until stopped (Ctrl-C)")
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
	}
}

// advance adds the rungs that are done to the summary and reports whether it
// is complete. An error leaves the summary as far as it was.
func (u *run) advance(ctx context.Context, summary *report.Programme) (bool, error) {
	state, err := u.ledger.State(ctx)
	if err != nil {
		return false, err
	}
	for len(summary.Rungs) < u.rungs {
		next := crescendo.RungID(len(summary.Rungs) + 1)
		if done, err := u.done(state, next); err != nil || !done {
			return false, err
		}
		r, err := u.sumUp(ctx, state, next)
		if err != nil {
			return false, err
		}
		summary.Rungs = append(summary.Rungs, r)
		if r.Stage == program.StageRefunding.String() {
			break // no higher rung can open any more
		}
	}
	if !u.Exit {
		return true, nil
	}
	return true, u.conclude(ctx, summary)
}

func (u *run) poke() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// done reports whether a rung has been served, paid, claimed and shared, or
// refunded.
func (u *run) done(state ledger.State, rung crescendo.RungID) (bool, error) {
	if int(rung) > u.rungs {
		return false, nil
	}
	at, err := program.Rungs.Get(state, uint32(rung))
	if err != nil {
		return false, ignoreAbsent(err)
	}
	if at.Stage == program.StageRefunding {
		return u.refunded(state, rung)
	}
	served, err := actor.Served(state, rung, u.requests())
	if err != nil || !served {
		return false, err
	}
	seal, err := sealing.Seals.Get(state, uint32(rung))
	if err != nil || (seal.MayOpen && at.Stage != program.StageOpened) {
		return false, ignoreAbsent(err)
	}
	left, err := actor.Unclaimed(state, rung, u.cast.played())
	return err == nil && left == 0, err
}

func (u *run) sumUp(ctx context.Context, state ledger.State, rung crescendo.RungID) (report.Rung, error) {
	r, err := report.RungOf(ctx, state, u.Spec, rung, report.HeldOut{Blobs: u.blobs, Engine: u.Engine})
	if err != nil {
		return r, err
	}
	if r.Stage == program.StageRefunding.String() {
		u.Say("rung %d came to nothing: all %s have been refunded, as far as they were unspent", rung, u.narrator.Money(r.Raised))
		return r, nil
	}
	u.Say("")
	u.Say("rung %d is done: %d parameters, %d rounds, %d tokens, held-out loss %.3f -> %.3f nats per token", rung, r.Parameters, r.Rounds, r.Tokens, r.LossFirst, r.LossLast)
	u.Say("  %.3f bits/byte after training; a byte-bigram model of the same text has %.3f", r.BitsPerByte, r.BitsPerByteBigram)
	u.Say("  %d requests, %d tokens served, %s earned: operators %s, holders %s, contributors %s, next rung %s, remainder %s",
		r.Requests, r.TokensServed, u.narrator.Money(r.Revenue), u.narrator.Money(r.Paid.Operators), u.narrator.Money(r.Paid.Holders),
		u.narrator.Money(r.Paid.Contributors), u.narrator.Money(r.Paid.NextRung), u.narrator.Money(r.Paid.Remainder))
	for _, a := range r.Kept {
		u.Say("  kept     %s", u.narrator.NameOf(a))
	}
	for _, a := range r.Dropped {
		u.Say("  dropped  %s", u.narrator.NameOf(a))
	}
	u.Say("")
	return r, nil
}

// conclude adds what only the end can tell.
func (u *run) conclude(ctx context.Context, p *report.Programme) error {
	var genesis crescendo.Amount
	for _, b := range u.cast.balances(u.Spec, u.Demo) {
		genesis += b
	}
	now, err := u.money(ctx)
	if err != nil {
		return err
	}
	p.SupplyConserved = now == genesis
	p.Seconds = float64(time.Since(u.began).Milliseconds()) / 1000
	return nil
}

// money is what all accounts and pots of this run hold, and what was burned.
func (u *run) money(ctx context.Context) (crescendo.Amount, error) {
	accounts := append(u.cast.accounts(), "@treasury", "@evaluation/0")
	for i := range u.Spec.Rungs {
		for _, rule := range []string{"funding", "research", "season", "training", "inference", "revenue", "governance"} {
			accounts = append(accounts, crescendo.Pot(rule, crescendo.RungID(i+1)))
		}
	}
	// Asked for together: each waits for a block that proves its answer.
	balances := make([]crescendo.Amount, len(accounts))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, a := range accounts {
		g.Go(func() (err error) {
			if balances[i], err = u.ledger.Balance(gctx, a); err != nil {
				err = fmt.Errorf("balance of %s: %w", a, err)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	var sum crescendo.Amount
	for _, b := range balances {
		sum += b
	}
	state, err := u.ledger.State(ctx)
	if err != nil {
		return 0, err
	}
	burned, err := report.Burned(state, len(u.Spec.Rungs))
	return sum + burned, err
}

// refunded reports whether all investors of a failed raise have their money
// back.
func (u *run) refunded(state ledger.State, rung crescendo.RungID) (bool, error) {
	for _, f := range u.cast.Funders {
		pos, err := funding.Positions.Get(state, uint32(rung), string(f.Account))
		if errors.Is(err, kv.ErrNotFound) {
			continue
		}
		if err != nil || (!pos.Refunded && pos.Shares > 0) {
			return false, err
		}
	}
	return true, nil
}

func ignoreAbsent(err error) error {
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	return err
}
