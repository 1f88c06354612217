package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/vault/proof"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/sealing/container"
	"github.com/crescendo-network/crescendo/tokenizer"
)

const (
	maxDescription = 64 << 10
	maxManifest    = 64 << 10
	maxTokenizer   = 64 << 20
)

// offer is a model that can be asked now.
type offer struct {
	rung  crescendo.RungID
	name  string
	since int64
	price program.Inference
	full  uint64 // tokens of the context
}

// escrow is what to pay into a session.
func (o offer) escrow(configured crescendo.Amount) (crescendo.Amount, error) {
	if configured != 0 {
		return configured, nil
	}
	in, err := inference.Price(o.price.InputPrice, o.full)
	if err != nil {
		return 0, err
	}
	out, err := inference.Price(o.price.OutputPrice, o.full)
	if err != nil {
		return 0, err
	}
	one, err := in.Add(out)
	if err != nil {
		return 0, err
	}
	all, err := one.MulDiv(DefaultRequests, 1)
	return max(all, 1), err
}

// service is what stands behind the relay, as far as the ledger confirms it.
type service struct {
	vault  crescendo.Hash
	record sealing.Vault
	offers []offer
}

// find returns the offer that a client means by a model's name.
func (s service) find(name string) (offer, bool) {
	for _, o := range s.offers {
		if name == o.name || name == fmt.Sprintf("rung-%d", o.rung) || name == fmt.Sprint(uint32(o.rung)) {
			return o, true
		}
	}
	return offer{}, false
}

// discoveryHolds is how long what discover found is believed: so much later at
// most does a proxy notice that a vault has been denied.
const discoveryHolds = 3 * time.Second

// discover returns what stands behind the relay now, or a moment ago.
func (p *pool) discover(ctx context.Context) (service, error) {
	p.mu.Lock()
	s, at := p.found, p.foundAt
	p.mu.Unlock()
	if len(s.offers) > 0 && time.Since(at) < discoveryHolds {
		return s, nil
	}
	s, err := p.look(ctx)
	if err != nil {
		return s, err
	}
	p.mu.Lock()
	p.found, p.foundAt = s, time.Now()
	p.mu.Unlock()
	return s, nil
}

// lookAgain forgets what was found: it has been seen not to hold.
func (p *pool) lookAgain() {
	p.mu.Lock()
	p.foundAt = time.Time{}
	p.mu.Unlock()
}

// look asks the relay which vault it has and the ledger whether that vault is
// accepted; keys and prices are the ledger's.
func (p *pool) look(ctx context.Context) (service, error) {
	var s service
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.relay+"/v1/vault", nil)
	if err != nil {
		return s, err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return s, unavailable("the relay cannot be reached: %v", err)
	}
	defer resp.Body.Close()
	var said struct {
		Vault   crescendo.Hash     `json:"vault"`
		Serving []crescendo.RungID `json:"serving"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxDescription)).Decode(&said); err != nil {
		return s, unavailable("the relay's answer is not understood: %v", err)
	}
	if said.Vault.IsZero() {
		return s, unavailable("the vault is starting")
	}
	state, err := p.cfg.Ledger.State(ctx)
	if err != nil {
		return s, unavailable("the ledger cannot be read: %v", err)
	}
	env := crescendo.Env{ChainID: p.cfg.Ledger.ChainID(), Height: state.Height()}
	if s.record, err = sealing.Accepted(state, env, said.Vault); err != nil {
		return s, unavailable("the vault is not accepted: %v", err)
	}
	if s.record.Denied || sealing.VaultID(s.record.SignKey, s.record.SealKey) != said.Vault {
		return s, unavailable("the vault is denied")
	}
	if err := proof.CheckTrust(ctx, p.cfg.Ledger, s.record.Trust); err != nil {
		return s, unavailable("%v", err)
	}
	s.vault = said.Vault
	spec, err := program.Specs.Get(state)
	if err != nil {
		return s, unavailable("the programme cannot be read: %v", err)
	}
	for _, rung := range said.Serving {
		if rung == 0 || int(rung) > len(spec.Rungs) || (p.cfg.Rung != 0 && rung != p.cfg.Rung) {
			continue
		}
		seal, err := sealing.Seals.Get(state, uint32(rung))
		if errors.Is(err, kv.ErrNotFound) {
			continue
		}
		if err != nil {
			return s, unavailable("the seal of rung %d cannot be read: %v", rung, err)
		}
		terms := spec.Rungs[rung-1]
		s.offers = append(s.offers, offer{rung: rung, name: terms.Name, since: int64(seal.Height), price: terms.Inference, full: uint64(terms.Model.Context)})
	}
	slices.SortFunc(s.offers, func(a, b offer) int { return int(a.rung) - int(b.rung) })
	return s, nil
}

// tokenizer returns the tokenizer of a rung, for counting; nil when there is
// none to be had.
func (p *pool) tokenizer(ctx context.Context, rung crescendo.RungID) *tokenizer.Tokenizer {
	if p.cfg.Blobs == nil {
		return nil
	}
	p.mu.Lock()
	t, known := p.tokenizers[rung]
	p.mu.Unlock()
	if known {
		return t
	}
	t, err := loadTokenizer(ctx, p, rung)
	if err != nil {
		p.cfg.Log.Warn("prompt tokens cannot be counted here", "rung", rung, "error", err)
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokenizers[rung] = t
	return t
}

func loadTokenizer(ctx context.Context, p *pool, rung crescendo.RungID) (*tokenizer.Tokenizer, error) {
	state, err := p.cfg.Ledger.State(ctx)
	if err != nil {
		return nil, err
	}
	seal, err := sealing.Seals.Get(state, uint32(rung))
	if err != nil {
		return nil, err
	}
	manifest, err := fetchManifest(ctx, p.cfg.Blobs, seal.Manifest)
	if err != nil {
		return nil, err
	}
	raw, err := p.cfg.Blobs.Get(ctx, manifest.Tokenizer, maxTokenizer)
	if err != nil {
		return nil, err
	}
	return tokenizer.Load(raw)
}

func fetchManifest(ctx context.Context, blobs blob.Store, h crescendo.Hash) (container.Manifest, error) {
	raw, err := blobs.Get(ctx, h, maxManifest)
	if err != nil {
		return container.Manifest{}, err
	}
	return container.ParseManifest(raw)
}
