package client

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/program"
)

// State implements ledger.Ledger. The state of a height is proved by the next
// header, so State waits for one block if the caller has just learned
// something of the newest.
func (c *Client) State(ctx context.Context) (ledger.State, error) { return c.snapshot(ctx) }

// firstProvable is the lowest height whose state a node proves.
const firstProvable = 2

func (c *Client) snapshot(ctx context.Context) (*snapshot, error) {
	newest, err := c.currentHeight(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	height := max(newest-1, c.seen, firstProvable)
	c.mu.Unlock()
	if err := c.waitHeight(ctx, height+1); err != nil {
		return nil, err
	}
	h, err := c.header(ctx, height+1)
	if err != nil {
		return nil, err
	}
	c.learned(height)
	return &snapshot{c: c, ctx: context.WithoutCancel(ctx), height: height, appHash: h.AppHash, values: map[string][]byte{}}, nil
}

// snapshot reads one height. Its context ends with no caller: a Reader has
// no context of its own, requests are bounded by the client's timeout.
type snapshot struct {
	c       *Client
	ctx     context.Context
	height  int64
	appHash []byte

	mu     sync.Mutex
	values map[string][]byte // of the rule store; nil: absent
}

// maxCached bounds the values one snapshot remembers.
const maxCached = 4096

// Height implements ledger.State.
func (s *snapshot) Height() crescendo.Height { return crescendo.Height(s.height) }

// Get implements kv.Reader.
func (s *snapshot) Get(key []byte) ([]byte, error) {
	s.mu.Lock()
	value, ok := s.values[string(key)]
	s.mu.Unlock()
	if !ok {
		stored, err := s.query(s.ctx, wire.RuleStore, key)
		if err != nil {
			return nil, err
		}
		if stored != nil {
			if value, err = wire.RuleValue(stored); err != nil {
				return nil, fmt.Errorf("read %x: %w", key, err)
			}
		}
		s.remember(key, value)
	}
	if value == nil {
		return nil, kv.ErrNotFound
	}
	return bytes.Clone(value), nil
}

func (s *snapshot) remember(key, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.values) < maxCached {
		s.values[string(key)] = value
	}
}

type queryAnswer struct {
	Response struct {
		Code      uint32 `json:"code"`
		Codespace string `json:"codespace"`
		Log       string `json:"log"`
		Value     []byte `json:"value"`
		Height    string `json:"height"`
		Proof     struct {
			Ops []light.ProofOp `json:"ops"`
		} `json:"proofOps"`
	} `json:"response"`
}

func (c *Client) abciQuery(ctx context.Context, path string, data []byte, height int64, prove bool) (queryAnswer, error) {
	var a queryAnswer
	err := c.rpc.call(ctx, "abci_query", params{
		"path": path, "data": hex.EncodeToString(data), "height": strconv.FormatInt(height, 10), "prove": prove}, &a)
	if err != nil {
		return a, err
	}
	if r := a.Response; r.Code != 0 {
		return a, fmt.Errorf("query %s at height %d: %w", path, height, wire.ParseError(r.Codespace, r.Code, r.Log))
	}
	return a, nil
}

// query returns a proved value of a store, nil if its absence is proved.
func (s *snapshot) query(ctx context.Context, store string, key []byte) ([]byte, error) {
	a, err := s.c.abciQuery(ctx, "/store/"+store+"/key", key, s.height, true)
	if err != nil {
		return nil, err
	}
	r := a.Response
	if len(r.Value) == 0 {
		err = light.VerifyAbsence(s.appHash, store, key, r.Proof.Ops)
		return nil, proofError(err)
	}
	return r.Value, proofError(light.VerifyValue(s.appHash, store, key, r.Value, r.Proof.Ops))
}

func proofError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ledger.ErrProof, err)
}

// Range implements kv.Reader. Every entry is proved; that there are no others
// in between is the node's word.
func (s *snapshot) Range(prefix, start []byte, limit int) ([]kv.Pair, error) {
	limit = min(limit, kv.MaxPage)
	var out []kv.Pair
	for len(out) < limit {
		page, more, err := s.page(prefix, start, limit-len(out))
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		if !more || len(page) == 0 {
			break
		}
		start = append(bytes.Clone(page[len(page)-1].Key), 0)
	}
	return out, nil
}

func (s *snapshot) page(prefix, start []byte, limit int) (page []kv.Pair, more bool, err error) {
	request := canon.Encode(wire.RangeRequest{Prefix: prefix, Start: start, Limit: uint32(max(limit, 0))})
	a, err := s.c.abciQuery(s.ctx, wire.RangePath, request, s.height, false)
	if err != nil {
		return nil, false, err
	}
	var answer wire.RangeResponse
	if err := canon.Decode(a.Response.Value, &answer); err != nil {
		return nil, false, proofError(err)
	}
	last := max(string(prefix), string(start))
	for i, e := range answer.Entries {
		if string(e.Key) < last || (i > 0 && string(e.Key) == last) || !bytes.HasPrefix(e.Key, prefix) || i >= limit {
			return nil, false, proofError(errors.New("entries out of order or not asked for"))
		}
		last = string(e.Key)
		ops := make([]light.ProofOp, len(e.Proof))
		for j, op := range e.Proof {
			ops[j] = light.ProofOp(op)
		}
		if err := light.VerifyValue(s.appHash, wire.RuleStore, e.Key, e.Value, ops); err != nil {
			return nil, false, proofError(err)
		}
		value, err := wire.RuleValue(e.Value)
		if err != nil {
			return nil, false, err
		}
		s.remember(e.Key, value)
		page = append(page, kv.Pair{Key: e.Key, Value: bytes.Clone(value)})
	}
	return page, answer.More, nil
}

// Balance implements ledger.Ledger; the answer is proved.
func (c *Client) Balance(ctx context.Context, account crescendo.Account) (crescendo.Amount, error) {
	addr, err := wire.Address(account)
	if err != nil {
		return 0, crescendo.Errorf(crescendo.CodeInvalid, "balance: %v", err)
	}
	s, err := c.snapshot(ctx)
	if err != nil {
		return 0, err
	}
	denom, err := s.denom()
	if err != nil {
		return 0, err
	}
	raw, err := s.query(ctx, wire.BankStore, wire.BalanceKey(addr, denom))
	if err != nil || raw == nil {
		return 0, err
	}
	return crescendo.ParseAmount(string(raw))
}

// denom returns the settlement denom, which never changes.
func (s *snapshot) denom() (string, error) {
	s.c.mu.Lock()
	denom := s.c.denom
	s.c.mu.Unlock()
	if denom != "" {
		return denom, nil
	}
	spec, err := program.Specs.Get(s)
	if err != nil {
		return "", fmt.Errorf("read programme: %w", err)
	}
	s.c.mu.Lock()
	s.c.denom = spec.Denom
	s.c.mu.Unlock()
	return spec.Denom, nil
}
