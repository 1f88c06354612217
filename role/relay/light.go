package relay

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/role/vault/proof"
	"github.com/crescendo-network/crescendo/sealing"
)

// LightProver passes a Cosmos ledger's own proofs on to the vault, which
// verifies them with a light client of its own. It verifies nothing itself.
type LightProver struct {
	ledger ProvenLedger
	url    string
	http   *http.Client

	mu    sync.Mutex                   // guards what follows
	trust sealing.Trust                // of the vault that was started last
	sets  map[string][]light.Validator // by their hash
}

const (
	maxRPCAnswer = 16 << 20
	rpcTime      = 30 * time.Second
	maxSets      = 16
)

// NewLightProver makes a prover for the chain behind l, whose node answers at
// the RPC URL.
func NewLightProver(l ProvenLedger, rpc string) *LightProver {
	if !strings.Contains(rpc, "://") {
		rpc = "http://" + rpc
	}
	return &LightProver{
		ledger: l, url: strings.TrimRight(rpc, "/"), http: &http.Client{Timeout: rpcTime}, sets: map[string][]light.Validator{},
	}
}

// ProvenLedger is a ledger whose blocks have headers.
type ProvenLedger interface {
	ledger.Ledger
	ledger.Headers
}

// Trust implements Prover: the newest block that the ledger remembers, so that
// its rule can tell that the vault believes this very ledger.
func (p *LightProver) Trust(ctx context.Context) (sealing.Trust, error) {
	head, err := p.ledger.Head(ctx)
	if err != nil {
		return sealing.Trust{}, err
	}
	t := sealing.Trust{Kind: sealing.TrustBlock, Height: sealing.Anchored(head.Height - 1)}
	if t.Root, err = p.ledger.BlockHash(ctx, t.Height); err != nil {
		return sealing.Trust{}, fmt.Errorf("choose a block for the vault to trust: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trust = t
	return t, nil
}

func (p *LightProver) begins() crescendo.Height {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.trust.Height
}

// Prove implements Prover.
func (p *LightProver) Prove(ctx context.Context, keys [][]byte, after crescendo.Height) ([]byte, error) {
	height, err := p.provable(ctx, after)
	if err != nil {
		return nil, err
	}
	var b proof.LightBundle
	if b.Headers, err = p.headers(ctx, int64(after), int64(height)+1); err != nil {
		return nil, err
	}
	for _, key := range keys {
		e, err := p.entry(ctx, key, int64(height))
		if err != nil {
			return nil, err
		}
		b.Entries = append(b.Entries, e)
	}
	return canon.Encode(b), nil
}

// provable returns a height whose state can be proved, not below after and not
// below what this relay has learned of the ledger.
func (p *LightProver) provable(ctx context.Context, after crescendo.Height) (crescendo.Height, error) {
	for {
		state, err := p.ledger.State(ctx)
		if err != nil {
			return 0, err
		}
		if h := state.Height(); h >= after && h >= p.begins() {
			return h, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// headers returns the target header and, before it, those that a verifier
// needs that knows the state of height after, or only the trusted block if
// after is zero. Validators that change in between make intermediate headers
// necessary.
func (p *LightProver) headers(ctx context.Context, after, target int64) ([]proof.SignedHeader, error) {
	from := after + 1
	if after == 0 {
		from = int64(p.begins())
	}
	first, err := p.header(ctx, from)
	if err != nil {
		return nil, err
	}
	out := []proof.SignedHeader{}
	if after == 0 {
		out = append(out, first)
	}
	if target <= from {
		return append(out[:0], first), nil
	}
	last, err := p.header(ctx, target)
	if err != nil {
		return nil, err
	}
	for current := first.Signed.Header; !bytes.Equal(last.Signed.Header.ValidatorsHash, current.NextValidatorsHash); {
		if len(out) >= proof.MaxHeaders-1 {
			return nil, crescendo.Errorf(crescendo.CodeInternal, "prove block %d from block %d: validators changed more than %d times", target, from, proof.MaxHeaders)
		}
		next, err := p.farthest(ctx, current, target)
		if err != nil {
			return nil, err
		}
		out, current = append(out, next), next.Signed.Header
	}
	return append(out, last), nil
}

// farthest returns a header below target that the validators appointed by the
// current one have signed, as far on as halving finds it.
func (p *LightProver) farthest(ctx context.Context, current light.Header, target int64) (proof.SignedHeader, error) {
	best, err := p.header(ctx, current.Height+1)
	if err != nil {
		return best, err
	}
	for low, high := current.Height+1, target; high-low > 1; {
		mid := low + (high-low)/2
		h, err := p.header(ctx, mid)
		if err != nil {
			return best, err
		}
		if bytes.Equal(h.Signed.Header.ValidatorsHash, current.NextValidatorsHash) {
			low, best = mid, h
		} else {
			high = mid
		}
	}
	return best, nil
}

func (p *LightProver) header(ctx context.Context, height int64) (proof.SignedHeader, error) {
	var answer struct {
		Signed light.SignedHeader `json:"signed_header"`
	}
	err := p.call(ctx, "commit", map[string]any{"height": strconv.FormatInt(height, 10)}, &answer)
	if err != nil {
		return proof.SignedHeader{}, err
	}
	set, err := p.validators(ctx, answer.Signed.Header)
	return proof.SignedHeader{Signed: answer.Signed, Validators: set}, err
}

func (p *LightProver) validators(ctx context.Context, h light.Header) ([]light.Validator, error) {
	p.mu.Lock()
	set, known := p.sets[string(h.ValidatorsHash)]
	p.mu.Unlock()
	if known {
		return set, nil
	}
	for page := 1; page <= 10; page++ {
		var answer struct {
			Validators []light.Validator `json:"validators"`
			Total      string            `json:"total"`
		}
		err := p.call(ctx, "validators", map[string]any{
			"height": strconv.FormatInt(h.Height, 10), "page": strconv.Itoa(page), "per_page": "100",
		}, &answer)
		if err != nil {
			return nil, err
		}
		set = append(set, answer.Validators...)
		if total, err := strconv.Atoi(answer.Total); err != nil || len(answer.Validators) == 0 || len(set) >= total {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sets) >= maxSets {
		clear(p.sets)
	}
	p.sets[string(h.ValidatorsHash)] = set
	return set, nil
}

// entry returns a key's entry in the state of a height, with its proof.
func (p *LightProver) entry(ctx context.Context, key []byte, height int64) (proof.LightEntry, error) {
	var answer struct {
		Response struct {
			Code  uint32 `json:"code"`
			Log   string `json:"log"`
			Value []byte `json:"value"`
			Proof struct {
				Ops []light.ProofOp `json:"ops"`
			} `json:"proofOps"`
		} `json:"response"`
	}
	err := p.call(ctx, "abci_query", map[string]any{
		"path": "/store/" + wire.RuleStore + "/key", "data": hex.EncodeToString(key),
		"height": strconv.FormatInt(height, 10), "prove": true,
	}, &answer)
	if err != nil {
		return proof.LightEntry{}, err
	}
	r := answer.Response
	if r.Code != 0 {
		return proof.LightEntry{}, fmt.Errorf("prove state of height %d: code %d: %.256s", height, r.Code, r.Log)
	}
	return proof.LightEntry{Stored: r.Value, Proof: r.Proof.Ops}, nil
}

// call does one JSON-RPC request.
func (p *LightProver) call(ctx context.Context, method string, params map[string]any, result any) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask ledger for %s: %w", method, err)
	}
	req.Header.Set("Content-Type", "application/json")
	// Not sent: it lets the transport ask again when the node has just closed the
	// idle connection that it was asked on.
	req.Header["Idempotency-Key"] = nil
	resp, err := p.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask ledger for %s: %w: %w", method, ledger.ErrUnavailable, err)
	}
	defer resp.Body.Close()
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  *struct {
			Message string `json:"message"`
			Data    string `json:"data"`
		} `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxRPCAnswer)).Decode(&answer); err != nil {
		return fmt.Errorf("ask ledger for %s: %w", method, err)
	}
	if answer.Error != nil {
		return fmt.Errorf("ask ledger for %s: %.256s: %.256s", method, answer.Error.Message, answer.Error.Data)
	}
	return json.Unmarshal(answer.Result, result)
}
