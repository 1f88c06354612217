package auditor

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/sealing/container"
	"github.com/crescendo-network/crescendo/sealing/keyshare"
	"github.com/crescendo-network/crescendo/training/assign"
)

// opened checks, once a rung's key is public, what its vault said when nobody
// could: that the container holds the model, and its loss. How many steps made
// it stays the vault's word.
func (r *rehearsal) opened(ctx context.Context, s kv.Reader) error {
	seal, err := sealing.Seals.Get(s, uint32(r.id))
	if errors.Is(err, kv.ErrNotFound) || (err == nil && len(seal.Key) == 0) {
		return nil
	}
	if err != nil {
		return err
	}
	params, err := r.openWeights(ctx, seal)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.findings.settle(Recomputed, err, "opened weights of rung %d (blob %s)", r.id, seal.Container)
	if err != nil {
		return nil
	}
	loss, err := r.sealLoss(ctx, params)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && loss != seal.Loss {
		err = fmt.Errorf("it is %d micro-nats per token, the vault said %d", loss, seal.Loss)
	}
	r.findings.settle(Recomputed, err, "loss of the opened weights of rung %d", r.id)
	return nil
}

// openWeights decrypts a container with the published key.
func (r *rehearsal) openWeights(ctx context.Context, seal sealing.Seal) ([]float32, error) {
	raw, err := r.blobs.Get(ctx, seal.Container, 0)
	if err != nil {
		return nil, err
	}
	key, err := keyshare.KeyFromBytes(seal.Key)
	if err != nil {
		return nil, err
	}
	defer key.Erase()
	c, err := container.Open(bytes.NewReader(raw), int64(len(raw)), key)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	n := r.plan.Shape.Parameters()
	if h := c.Header(); h.Chain != r.chain || h.Rung != r.id || h.Base != seal.Base || c.Size() != int64(4*n) {
		return nil, fmt.Errorf("it is the container of rung %d of chain %q, made from %s", h.Rung, clip(h.Chain), h.Base)
	}
	plain := make([]byte, 4*n)
	if _, err := c.ReadAt(plain, 0); err != nil {
		return nil, err
	}
	params := make([]float32, n)
	for i := range params {
		params[i] = math.Float32frombits(binary.LittleEndian.Uint32(plain[4*i:]))
	}
	return params, nil
}

// sealLoss measures as vaults do: on held-out windows spread over the split.
func (r *rehearsal) sealLoss(ctx context.Context, params []float32) (crescendo.MicroNats, error) {
	if r.heldOut == nil {
		return 0, fmt.Errorf("the corpus is not there: %w", ErrGone)
	}
	model, err := r.benches.take(r.plan.Shape)
	if err != nil {
		return 0, err
	}
	defer r.benches.give(model)
	copy(model.Params(), params)
	windows, length := assign.Spread(int(r.plan.HeldOut), r.heldOut.Windows()), r.plan.Shape.Context
	if len(windows) == 0 {
		return 0, errors.New("the corpus holds nothing out")
	}
	var total int64
	for _, i := range windows {
		tokens, err := r.heldOut.Window(ctx, i)
		if err != nil {
			return 0, err
		}
		losses, err := model.Loss(tokens, 1, length)
		if errors.Is(err, engine.ErrNotFinite) {
			return 0, errors.New("it is not finite")
		}
		if err != nil {
			return 0, err
		}
		total += losses[0]
	}
	return crescendo.MicroNats(total / int64(len(windows)*length)), nil
}
