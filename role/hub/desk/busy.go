package desk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// Times around a ledger that is busy: how long a page waits for what it reads,
// when it is tried again, and how old what all visitors see alike may be.
const (
	readTime  = 10 * time.Second
	retryTime = 5 * time.Second
	knownFor  = 2 * time.Second
)

// unread answers for a page whose facts the ledger did not give: that is no
// fault of whoever asked, and passes. What was asked with GET is asked again by
// the page itself.
func (d *Desk) unread(w http.ResponseWriter, r *http.Request, err error) {
	if code := crescendo.CodeOf(err); code != "" && code != crescendo.CodeInternal {
		d.refuse(w, r, statusOf(err), err)
		return
	}
	if r.Context().Err() != nil {
		return // nobody waits for it any more
	}
	d.cfg.Log.Info("the ledger gives no answer", "path", r.URL.Path, "error", err)
	w.Header().Set("Retry-After", fmt.Sprint(int(retryTime.Seconds())))
	again := time.Duration(0)
	if r.Method == http.MethodGet {
		again = retryTime
	}
	d.render(w, r, http.StatusServiceUnavailable, "Busy", page.Busy("The ledger gives no answer just now",
		"It is busy, starting or unreachable. Nothing was sent, and all pages that need no ledger can be read.", again))
}

// unavailable reports whether an error is of a ledger that did not answer.
func unavailable(err error) bool {
	return errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
}

// programme is what pages for strangers need of the ledger: the same for all,
// so that however many ask, the ledger is asked once in a while.
type programme struct {
	ledger ledger.Ledger
	now    func() time.Time

	mu     sync.Mutex // held while the ledger is asked: others wait for the answer
	at     time.Time  // of the newest question; guarded by mu
	spec   program.Spec
	stages []program.Stage
	err    error
}

// ask returns the programme and its rungs' stages, at most knownFor old.
func (p *programme) ask(ctx context.Context) (program.Spec, []program.Stage, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.now(); p.at.IsZero() || now.Sub(p.at) >= knownFor {
		// Whoever asks first may leave; the others still want to know.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTime)
		defer cancel()
		p.spec, p.stages, p.err = read(ctx, p.ledger)
		p.at = p.now()
	}
	return p.spec, p.stages, p.err
}

func read(ctx context.Context, l ledger.Ledger) (program.Spec, []program.Stage, error) {
	state, err := l.State(ctx)
	if err != nil {
		return program.Spec{}, nil, fmt.Errorf("read state: %w", err)
	}
	spec, err := program.Specs.Get(state)
	if err != nil {
		return program.Spec{}, nil, fmt.Errorf("read programme: %w", err)
	}
	stages := make([]program.Stage, len(spec.Rungs))
	for i := range spec.Rungs {
		at, err := program.StateOf(state, rungID(i))
		if err != nil {
			return spec, nil, fmt.Errorf("read rung %d: %w", i+1, err)
		}
		stages[i] = at.Stage
	}
	return spec, stages, nil
}
