package relay

import (
	"context"
	"errors"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// lastSettle bounds the settlement that a relay makes before it stops.
const lastSettle = 5 * time.Second

// settleForever settles at intervals and when a session closes, from disk, whatever vault made the
// receipts, and once more before it returns.
func (r *Relay) settleForever(ctx context.Context) {
	for {
		r.settleAll(ctx)
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSettle)
			defer cancel()
			r.settleAll(last)
			return
		case <-r.closing:
		case <-time.After(r.cfg.SettleEvery):
		}
	}
}

// settleSoon is for a session that is being closed: what is not settled within
// its grace is lost.
func (r *Relay) settleSoon() {
	select {
	case r.closing <- struct{}{}:
	default:
	}
}

func (r *Relay) settleAll(ctx context.Context) {
	for _, id := range r.store.open() {
		if err := r.settle(ctx, id); err != nil && ctx.Err() == nil {
			r.log.Warn("settle", "session", id, "error", err)
		}
	}
}

// settle settles what a session owes. When its client is closing it, or its
// vault is gone, the last settlement is final and frees the rest of the escrow.
func (r *Relay) settle(ctx context.Context, id uint64) error {
	for {
		state, err := r.cfg.Ledger.State(ctx)
		if err != nil {
			return err
		}
		session, err := inference.Sessions.Get(state, id)
		if errors.Is(err, kv.ErrNotFound) {
			return nil // the ledger this relay sees is behind
		}
		if err != nil {
			return err
		}
		status, _ := r.current()
		ended := status.Accepted && status.Vault != session.Vault
		over := session.Closing != 0 || ended
		list := r.store.after(id, session.Sequence, inference.MaxReceipts, ended)
		if session.Closed {
			if len(list) > 0 {
				r.log.Warn("session closed before its receipts were settled", "session", id, "receipts", len(list))
			}
			return r.store.forget(id)
		}
		if len(list) == 0 {
			if over && session.Closing == 0 {
				_, err := r.cfg.Ledger.Submit(ctx, r.cfg.Signer, &inference.MsgClose{Sender: r.cfg.Signer.Account(), Session: id})
				return err
			}
			return nil
		}
		msg := &inference.MsgSettle{
			Sender: r.cfg.Signer.Account(), Receipts: list, Final: over && len(list) < inference.MaxReceipts,
		}
		if _, err := r.cfg.Ledger.Submit(ctx, r.cfg.Signer, msg); err != nil {
			if crescendo.CodeOf(err) == crescendo.CodeDuplicate {
				return nil // it went through after all
			}
			return err
		}
		if len(list) < inference.MaxReceipts {
			return nil
		}
	}
}
