package runner_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/research/trial"
	"github.com/crescendo-network/crescendo/role/runner"
)

// gone is a ledger that shows no state between two trials.
type gone struct {
	ledger.Ledger
	trials *atomic.Int32 // begun
}

func (g gone) State(ctx context.Context) (ledger.State, error) {
	if g.trials.Load() == 1 {
		return nil, ledger.ErrUnavailable
	}
	return g.Ledger.State(ctx)
}

// A runner that knows of more trials begins the next one without asking first.
func TestNextTrialWaitsForNoBlock(t *testing.T) {
	w := newWorld(t, append([]string{"ann", "ben", "cam"}, researchers...)...)
	w.run("ann")
	w.run("ben")
	var trials atomic.Int32
	w.run("cam", func(c *runner.Config) {
		c.Ledger = gone{w.chain, &trials}
		c.Try = func(ctx context.Context, e engine.Engine, text trial.Text, task trial.Task) (trial.Result, error) {
			trials.Add(1)
			return runner.Honest(ctx, e, text, task)
		}
	})
	w.begin(demoEntries(false))
	if r := w.runnerOf(w.decided(), "cam"); r.Fault != "" || r.Agreed < 2 {
		t.Errorf("after %d trials the runner is %+v", trials.Load(), r)
	}
}
