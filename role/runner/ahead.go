package runner

import (
	"context"

	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/research/trial"
)

// view is a competition as a runner has last seen it, proved.
type view struct {
	state  ledger.State // nil: none yet
	c      research.Competition
	duties []trial.Name
}

// goOn begins the next trial that is known of, while the ledger is asked anew:
// a machine that waited for a block after each trial would idle for a good part
// of a competition. If nobody waits for the trial any more, it is stopped then.
func (r *runner) goOn(ctx context.Context) error {
	for _, at := range r.spec.Contests() {
		s := r.seats[at]
		if s == nil || s.seen.state == nil {
			continue
		}
		if err := r.begin(ctx, s.seen.state, s, s.seen.c, s.seen.duties); err != nil {
			return err
		}
	}
	return nil
}
