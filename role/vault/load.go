package vault

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync/atomic"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/serve"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/vault/calls"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/sealing/container"
	"github.com/crescendo-network/crescendo/sealing/keyshare"
	"github.com/crescendo-network/crescendo/tokenizer"
	"github.com/crescendo-network/crescendo/training/outer"
)

const (
	maxContainer = 64 << 30
	maxTokenizer = 64 << 20
	maxManifest  = 64 << 10
)

// model is a rung's finished model, in the clear.
type model struct {
	weights   engine.Model // float32; let go once answers are computed with others
	shape     engine.Shape
	answers   string // what answers are computed with: inference.WeightsFloat32 or WeightsQ8
	tokenizer *tokenizer.Tokenizer
	server    *serve.Server  // of answers; nil until the rung is loaded
	check     crescendo.Hash // of the key
	container crescendo.Hash
	requests  atomic.Uint64
	output    atomic.Uint64
}

// nonce draws the nonce of a key request. A newer one replaces it.
func (v *Vault) nonce(rung crescendo.RungID) (calls.NonceReply, error) {
	var n crescendo.Hash
	if _, err := rand.Read(n[:]); err != nil {
		return calls.NonceReply{}, fmt.Errorf("draw nonce: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.nonces) >= maxModels {
		clear(v.nonces)
	}
	v.nonces[rung] = n
	return calls.NonceReply{Nonce: n}, nil
}

// load begins to serve a rung: the model that this vault sealed itself, once
// the ledger has it, or one whose key the keepers have handed over.
func (v *Vault) load(ctx context.Context, rung crescendo.RungID) error {
	v.heavy.Lock()
	defer v.heavy.Unlock()
	state, err := v.believe(ctx)
	if err != nil {
		return err
	}
	seal, err := sealing.Seals.Get(state, uint32(rung))
	if errors.Is(err, kv.ErrNotFound) {
		return crescendo.Errorf(crescendo.CodeWrongTime, "load rung %d: it is not sealed yet", rung)
	}
	if err != nil {
		return fmt.Errorf("read seal of rung %d: %w", rung, err)
	}
	m, err := v.open(ctx, state, rung, seal)
	if err != nil {
		return fmt.Errorf("load rung %d: %w", rung, err)
	}
	old, err := v.install(rung, m)
	if err != nil {
		return err
	}
	if old != nil && old != m {
		old.server.Close()
	}
	return nil
}

// install begins to serve a model and returns the one that it replaces. The
// caller holds v.heavy, so that nobody else loads.
func (v *Vault) install(rung crescendo.RungID, m *model) (old *model, err error) {
	v.mu.Lock()
	old, full := v.models[rung], len(v.models) >= maxModels
	v.mu.Unlock()
	if old == nil && full {
		return nil, crescendo.Errorf(crescendo.CodeForbidden, "load rung %d: %d models are loaded already", rung, maxModels)
	}
	if err := m.openServer(v.salt); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.models[rung] = m
	delete(v.sealed, rung)
	delete(v.nonces, rung)
	return old, nil
}

func (v *Vault) open(ctx context.Context, state kv.Reader, rung crescendo.RungID, seal sealing.Seal) (*model, error) {
	v.mu.Lock()
	own, nonce := v.sealed[rung], v.nonces[rung]
	v.mu.Unlock()
	if own != nil && seal.Vault == v.id && own.container == seal.Container && own.check == seal.KeyCheck {
		return own, nil
	}
	request, err := sealing.Requests.Get(state, uint32(rung), v.id[:])
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return nil, fmt.Errorf("read key request: %w", err)
	}
	if err != nil || nonce.IsZero() || request.Nonce != nonce {
		return nil, crescendo.Errorf(crescendo.CodeWrongTime, "the proved state has no key request with the vault's own nonce")
	}
	topic := keyshare.Topic{Chain: v.chain, Rung: rung, Version: seal.Version, KeyCheck: seal.KeyCheck}
	key, err := keyshare.Combine(v.sealKey, topic, v.id, nonce, request.Shares)
	if err != nil {
		return nil, err
	}
	defer key.Erase()
	return v.decrypt(ctx, state, rung, seal, key)
}

// decrypt reads a container into a model of the shape that the programme
// fixes.
func (v *Vault) decrypt(ctx context.Context, state kv.Reader, rung crescendo.RungID, seal sealing.Seal, key keyshare.Key) (*model, error) {
	spec, err := program.Planned(state, rung)
	if err != nil {
		return nil, err
	}
	plan, err := outer.PlanOf(spec, rung)
	if err != nil {
		return nil, err
	}
	blobs := hostBlobs{v.conn}
	raw, err := blobs.Get(ctx, seal.Manifest, maxManifest)
	if err != nil {
		return nil, err
	}
	manifest, err := container.ParseManifest(raw)
	if err != nil {
		return nil, err
	}
	raw, err = blobs.Get(ctx, manifest.Tokenizer, maxTokenizer)
	if err != nil {
		return nil, err
	}
	tok, err := tokenizer.Load(raw)
	if err != nil {
		return nil, err
	}
	if tok.Vocab() > plan.Shape.Vocab {
		return nil, crescendo.Errorf(crescendo.CodeInvalid, "tokenizer has %d tokens, the model %d", tok.Vocab(), plan.Shape.Vocab)
	}
	sealed, err := blobs.Get(ctx, seal.Container, maxContainer)
	if err != nil {
		return nil, err
	}
	weights, err := v.engine.New(plan.Shape)
	if err != nil {
		return nil, err
	}
	header := container.Header{Chain: v.chain, Rung: rung, Seal: seal.Version, Base: seal.Base}
	if err := ReadWeights(bytes.NewReader(sealed), int64(len(sealed)), key, header, weights.Params()); err != nil {
		return nil, err
	}
	return &model{
		weights: weights, shape: plan.Shape, answers: spec.Rungs[rung-1].Inference.Weights,
		tokenizer: tok, check: seal.KeyCheck, container: seal.Container,
	}, nil
}

// ReadWeights decrypts a container of weights into params. The fields of want
// that say which model it is must be those of the container.
func ReadWeights(r io.ReaderAt, size int64, key keyshare.Key, want container.Header, params []float32) error {
	c, err := container.Open(r, size, key)
	if err != nil {
		return err
	}
	defer c.Close()
	h := c.Header()
	if h.Chain != want.Chain || h.Rung != want.Rung || h.Seal != want.Seal || h.Base != want.Base {
		return fmt.Errorf("container holds another model: %w", container.ErrCorrupt)
	}
	if c.Size() != int64(4*len(params)) {
		return fmt.Errorf("container holds %d bytes of weights, the model has %d: %w", c.Size(), 4*len(params), container.ErrCorrupt)
	}
	buf := make([]byte, 64<<10)
	defer clear(buf)
	for done := 0; done < len(params); {
		n := min(len(buf)/4, len(params)-done)
		if _, err := c.ReadAt(buf[:4*n], int64(4*done)); err != nil {
			return err
		}
		for i := range n {
			params[done+i] = math.Float32frombits(binary.LittleEndian.Uint32(buf[4*i:]))
		}
		done += n
	}
	return nil
}
