package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/vault/calls"
	"github.com/crescendo-network/crescendo/sealing"
)

const (
	registerAgain = 2 * time.Second
	followAgain   = 500 * time.Millisecond
	anyway        = 16 // blocks between looks without a cause
	stepTime      = 30 * time.Minute
	maxRungs      = 64
)

// register presents the vault to the ledger until it is accepted. A refusal
// may be mended by the organiser, so it is tried again.
func (h *host) register(ctx context.Context) error {
	r := h.relay
	msg := &sealing.MsgRegisterVault{
		Sender: r.cfg.Signer.Account(), Evidence: h.identity.Evidence,
		SignKey: h.identity.SignKey, SealKey: h.identity.SealKey,
	}
	told := ""
	for {
		_, err := r.cfg.Ledger.Submit(ctx, r.cfg.Signer, msg)
		if err == nil || crescendo.CodeOf(err) == crescendo.CodeDuplicate {
			r.log.Info("vault accepted by the ledger", "vault", h.identity.Vault.Short())
			return nil
		}
		if ctx.Err() != nil {
			return errVaultGone
		}
		if told != err.Error() {
			told = err.Error()
			r.log.Warn("vault not accepted by the ledger", "error", err)
			r.update(func(s *Status) { s.Refused = told })
		}
		select {
		case <-ctx.Done():
			return errVaultGone
		case <-time.After(registerAgain):
		}
	}
}

// follow does what the vault's rungs need, after every block that concerns
// them, and now and then in any case.
func (h *host) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		err := h.followBlocks(ctx)
		if ctx.Err() == nil {
			h.relay.log.Warn("follow ledger", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(followAgain):
		}
	}
	return errVaultGone
}

func (h *host) followBlocks(ctx context.Context) error {
	head, err := h.relay.cfg.Ledger.Head(ctx)
	if err != nil {
		return err
	}
	failed := h.tend(ctx)
	for height := head.Height + 1; ; height++ {
		if failed != nil && ctx.Err() == nil {
			// The next block may bring what was missing.
			h.relay.log.Warn("tend vault", "error", failed)
		}
		block, err := h.relay.cfg.Ledger.Next(ctx, height)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(block.Events, closes) {
			h.relay.settleSoon()
		}
		if slices.ContainsFunc(block.Events, concerns) || failed != nil || height%anyway == 0 {
			failed = h.tend(ctx)
		}
	}
}

func concerns(e crescendo.Event) bool {
	return strings.HasPrefix(e.Kind, "sealing.") || strings.HasPrefix(e.Kind, "program.")
}

func closes(e crescendo.Event) bool { return e.Kind == "inference.closing" }

// tend looks at every rung once.
func (h *host) tend(ctx context.Context) error {
	state, err := h.relay.cfg.Ledger.State(ctx)
	if err != nil {
		return err
	}
	rungs, err := program.Rungs.List(state, nil, maxRungs)
	if err != nil {
		return err
	}
	var failed error
	for _, e := range rungs {
		if len(e.Rest) != 4 {
			continue
		}
		rung := crescendo.RungID(uint32(e.Rest[0])<<24 | uint32(e.Rest[1])<<16 | uint32(e.Rest[2])<<8 | uint32(e.Rest[3]))
		if err := h.tendRung(ctx, state, rung, e.Value.Stage); err != nil {
			failed = errors.Join(failed, fmt.Errorf("rung %d: %w", rung, err))
		}
	}
	return failed
}

func (h *host) tendRung(ctx context.Context, state ledger.State, rung crescendo.RungID, stage program.Stage) error {
	switch stage {
	case program.StageSealing:
		_, err := sealing.Seals.Get(state, uint32(rung))
		if errors.Is(err, kv.ErrNotFound) {
			return h.seal(ctx, state, rung)
		}
		return err
	case program.StageServing, program.StageOpened:
		if !h.serving[rung] {
			return h.load(ctx, state, rung)
		}
	}
	return nil
}

// seal has the vault finish and seal a rung, and tells the ledger.
func (h *host) seal(ctx context.Context, state ledger.State, rung crescendo.RungID) error {
	r := h.relay
	keepers, err := sealing.Keepers.List(state, nil, sealing.MaxKeepers)
	if err != nil {
		return err
	}
	args := calls.SealArgs{Rung: rung}
	for _, k := range keepers {
		if len(k.Value.SealKey) > 0 {
			args.Keepers = append(args.Keepers, crescendo.Account(trim(k.Rest)))
		}
	}
	if len(args.Keepers) == 0 {
		return nil // a keeper will come
	}
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	began := time.Now()
	var reply calls.SealReply
	if err := h.conn.Do(ctx, calls.Seal, args, &reply); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	if _, err := r.cfg.Ledger.Submit(ctx, r.cfg.Signer, &reply.Message); err != nil {
		return fmt.Errorf("submit seal: %w", err)
	}
	r.log.Info("rung sealed", "rung", rung, "before", reply.Before, "after", reply.After, "took", time.Since(began).Round(time.Millisecond))
	return h.load(ctx, nil, rung)
}

// load has the vault begin to serve a rung. A vault that did not seal it itself
// asks the keepers first.
func (h *host) load(ctx context.Context, state ledger.State, rung crescendo.RungID) error {
	r := h.relay
	if state == nil {
		var err error
		if state, err = r.cfg.Ledger.State(ctx); err != nil {
			return err
		}
	}
	seal, err := sealing.Seals.Get(state, uint32(rung))
	if err != nil {
		return err
	}
	nonce, asked := h.asked[rung]
	if seal.Vault != h.identity.Vault && !asked {
		return h.requestKey(ctx, rung)
	}
	if asked {
		request, err := sealing.Requests.Get(state, uint32(rung), h.identity.Vault[:])
		if errors.Is(err, kv.ErrNotFound) || (err == nil && (request.Nonce != nonce || len(request.Shares) == 0)) {
			return nil // the keepers will answer
		}
		if err != nil {
			return err
		}
	}
	if err := h.conn.Do(ctx, calls.Load, calls.RungArgs{Rung: rung}, nil); err != nil {
		if asked {
			delete(h.asked, rung) // ask again, with another nonce
		}
		return fmt.Errorf("load: %w", err)
	}
	h.serving[rung] = true
	r.log.Info("rung served", "rung", rung, "vault", h.identity.Vault.Short())
	r.update(func(s *Status) {
		s.Serving = append(slices.Clone(s.Serving), rung)
		slices.Sort(s.Serving)
	})
	return nil
}

func (h *host) requestKey(ctx context.Context, rung crescendo.RungID) error {
	r := h.relay
	var nonce calls.NonceReply
	if err := h.conn.Do(ctx, calls.Nonce, calls.RungArgs{Rung: rung}, &nonce); err != nil {
		return fmt.Errorf("ask vault for a nonce: %w", err)
	}
	msg := &sealing.MsgRequestKey{Sender: r.cfg.Signer.Account(), Rung: rung, Vault: h.identity.Vault, Nonce: nonce.Nonce}
	if _, err := r.cfg.Ledger.Submit(ctx, r.cfg.Signer, msg); err != nil {
		return fmt.Errorf("request key: %w", err)
	}
	h.asked[rung] = nonce.Nonce
	return nil
}

// trim cuts the zero byte that ends a string in a key.
func trim(rest []byte) []byte {
	if n := len(rest); n > 0 && rest[n-1] == 0 {
		return rest[:n-1]
	}
	return rest
}
