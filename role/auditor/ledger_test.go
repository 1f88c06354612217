package auditor

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/program"
)

// recorder is a ledger in a test that leaves behind what a real one does: a
// genesis document and archived blocks with real transactions, headers and
// signatures of its one validator.
type recorder struct {
	genesis []byte
	key     ed25519.PrivateKey // the validator's
	set     []light.Validator
	exec    *execution
	numbers map[crescendo.Account]uint64

	mu        sync.Mutex
	sequences map[crescendo.Account]uint64
	pending   []*pendingTx
	blocks    []light.Block
	committed *kv.Memory
	next      chan struct{}
}

type pendingTx struct {
	raw  []byte
	done chan light.Result
}

func newRecorder(chainID string, spec program.Spec, rules program.Rules, balances map[crescendo.Account]crescendo.Amount) (*recorder, error) {
	seed := sha256.Sum256([]byte("validator"))
	r := &recorder{key: ed25519.NewKeyFromSeed(seed[:]), sequences: map[crescendo.Account]uint64{}, numbers: map[crescendo.Account]uint64{}, next: make(chan struct{})}
	r.genesis = genesisDocument(chainID, spec, balances, r.key.Public().(ed25519.PublicKey))
	g, err := ParseGenesis(r.genesis)
	if err != nil {
		return nil, err
	}
	r.set = g.Validators
	if r.exec, err = newExecution(g, rules); err != nil {
		return nil, err
	}
	for i, who := range slices.Sorted(keysOf(balances)) {
		r.numbers[who] = uint64(i)
	}
	r.committed = copyOf(r.exec.store)
	return r, nil
}

func genesisDocument(chainID string, spec program.Spec, balances map[crescendo.Account]crescendo.Amount, validator ed25519.PublicKey) []byte {
	var lines []any
	for _, who := range slices.Sorted(keysOf(balances)) {
		lines = append(lines, map[string]any{"address": who, "coins": []any{map[string]any{"denom": spec.Denom, "amount": balances[who].String()}}})
	}
	raw, err := json.MarshalIndent(map[string]any{
		"chain_id": chainID, "initial_height": "1",
		"app_state": map[string]any{
			"bank":      map[string]any{"balances": lines},
			"crescendo": map[string]any{"spec": canon.Encode(spec)},
			"staking": map[string]any{"validators": []any{map[string]any{
				"consensus_pubkey": map[string]any{"@type": "/cosmos.crypto.ed25519.PubKey", "key": []byte(validator)},
				"status":           "BOND_STATUS_BONDED", "tokens": "1000000",
			}}},
		},
	}, "", " ")
	if err != nil {
		panic(err)
	}
	return raw
}

func copyOf(s *kv.Memory) *kv.Memory {
	out := kv.NewMemory()
	for start := []byte(nil); ; {
		page, _ := s.Range(nil, start, kv.MaxPage)
		for _, p := range page {
			out.Set(p.Key, p.Value)
		}
		if len(page) < kv.MaxPage {
			return out
		}
		start = append(page[len(page)-1].Key, 0)
	}
}

// advance makes a block of what is pending.
func (r *recorder) advance() {
	r.mu.Lock()
	defer r.mu.Unlock()
	height := int64(len(r.blocks) + 1)
	b := light.Block{Validators: r.set}
	env := crescendo.Env{ChainID: r.exec.chain, Height: crescendo.Height(height), Time: 1_700_000_000 + height, Beacon: wire.Beacon(r.exec.previous)}
	for _, p := range r.pending {
		b.Txs = append(b.Txs, p.raw)
		b.Results = append(b.Results, r.exec.produce(env, p.raw))
	}
	b.EndEvents, _ = r.exec.endBlock(env)
	b.Signed.Header = light.Header{
		Version: light.Version{Block: 11}, ChainID: env.ChainID, Height: height, Time: light.Time{Seconds: env.Time, Nanos: height % 3},
		ValidatorsHash: light.ValidatorsHash(r.set), NextValidatorsHash: light.ValidatorsHash(r.set),
		AppHash: stateHash(r.committed), ProposerAddress: r.set[0].Address,
	}
	r.blocks = append(r.blocks, b)
	sealFrom(r.blocks, len(r.blocks)-1, r.key)
	r.exec.previous = r.blocks[len(r.blocks)-1].Signed.Header.Hash()
	r.committed = copyOf(r.exec.store)
	for i, p := range r.pending {
		p.done <- b.Results[i]
	}
	r.pending = nil
	close(r.next)
	r.next = make(chan struct{})
}

// produce executes a transaction and says what came of it.
func (x *execution) produce(env crescendo.Env, raw []byte) light.Result {
	tx, err := wire.Decode(raw)
	if err != nil {
		return light.Result{Code: 2, Codespace: wire.SDKCodespace, Log: err.Error()}
	}
	events, err := x.apply(env, tx, fmt.Sprintf("%X", wire.TxHash(raw)), Result{})
	var rule *crescendo.Error
	switch {
	case err == nil:
		return light.Result{GasUsed: int64(len(raw)), Events: events}
	case errors.As(err, &rule):
		return light.Result{Code: wire.CodeNumber(rule.Code), Codespace: wire.Codespace, Log: wire.ErrorLog(rule)}
	}
	return light.Result{Code: 5, Codespace: wire.SDKCodespace, Log: err.Error()}
}

// stateHash stands for the app hash.
func stateHash(s *kv.Memory) []byte {
	h := sha256.New()
	pairs, _ := s.Range(nil, nil, 1<<20)
	for _, p := range pairs {
		fmt.Fprintf(h, "%x=%x\n", p.Key, p.Value)
	}
	return h.Sum(nil)
}

// sealFrom links, hashes and signs blocks from an index on: what a validator
// does, and what a forger with its key can do.
func sealFrom(blocks []light.Block, from int, key ed25519.PrivateKey) {
	for i := from; i < len(blocks); i++ {
		b := &blocks[i]
		h := &b.Signed.Header
		h.DataHash = light.TxsHash(b.Txs)
		h.LastBlockID, h.LastResultsHash = light.BlockID{}, nil
		if i > 0 {
			h.LastBlockID = light.BlockID{Hash: blocks[i-1].Signed.Header.Hash(), Parts: light.Parts{Total: 1, Hash: make([]byte, 32)}}
			h.LastResultsHash = blocks[i-1].ResultsHash()
		}
		id := light.BlockID{Hash: h.Hash(), Parts: light.Parts{Total: 1, Hash: make([]byte, 32)}}
		vote := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 2)
		vote = protowire.AppendFixed64(protowire.AppendTag(vote, 2, protowire.Fixed64Type), uint64(h.Height))
		parts := protowire.AppendBytes(protowire.AppendTag(protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1), 2, protowire.BytesType), id.Parts.Hash)
		block := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), id.Hash)
		block = protowire.AppendBytes(protowire.AppendTag(block, 2, protowire.BytesType), parts)
		vote = protowire.AppendBytes(protowire.AppendTag(vote, 4, protowire.BytesType), block)
		when := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(h.Time.Seconds))
		if h.Time.Nanos > 0 {
			when = protowire.AppendVarint(protowire.AppendTag(when, 2, protowire.VarintType), uint64(h.Time.Nanos))
		}
		vote = protowire.AppendBytes(protowire.AppendTag(vote, 5, protowire.BytesType), when)
		vote = protowire.AppendBytes(protowire.AppendTag(vote, 6, protowire.BytesType), []byte(h.ChainID))
		document := append(protowire.AppendVarint(nil, uint64(len(vote))), vote...)
		b.Signed.Commit = light.Commit{Height: h.Height, BlockID: id, Signatures: []light.Signature{{
			Flag: 2, Address: b.Validators[0].Address, Time: h.Time, Signature: ed25519.Sign(key, document)}}}
	}
}

// ChainID implements ledger.Ledger.
func (r *recorder) ChainID() string { return r.exec.chain }

// Head implements ledger.Ledger.
func (r *recorder) Head(ctx context.Context) (ledger.Head, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return ledger.Head{ChainID: r.exec.chain, Height: crescendo.Height(len(r.blocks)), Beacon: wire.Beacon(r.exec.previous)}, ctx.Err()
}

// Submit implements ledger.Ledger.
func (r *recorder) Submit(ctx context.Context, signer ledger.Signer, msgs ...crescendo.Message) (ledger.Result, error) {
	r.mu.Lock()
	who := signer.Account()
	d := wire.Draft{ChainID: r.exec.chain, Account: r.numbers[who], Sequence: r.sequences[who], PublicKey: signer.PublicKey(), Messages: msgs}
	signature, err := signer.Sign(d.SignDocument())
	if err != nil {
		r.mu.Unlock()
		return ledger.Result{}, err
	}
	r.sequences[who]++
	p := &pendingTx{d.Encode(signature), make(chan light.Result, 1)}
	r.pending = append(r.pending, p)
	r.mu.Unlock()
	select {
	case <-ctx.Done():
		return ledger.Result{}, ctx.Err()
	case result := <-p.done:
		if result.Code != 0 {
			return ledger.Result{}, wire.ParseError(result.Codespace, result.Code, result.Log)
		}
		return ledger.Result{TxHash: fmt.Sprintf("%X", wire.TxHash(p.raw)), Events: result.Events}, nil
	}
}

type testState struct {
	*kv.Memory
	height crescendo.Height
}

// Height implements ledger.State.
func (s testState) Height() crescendo.Height { return s.height }

// State implements ledger.Ledger.
func (r *recorder) State(ctx context.Context) (ledger.State, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return testState{r.committed, crescendo.Height(len(r.blocks))}, ctx.Err()
}

// Balance implements ledger.Ledger.
func (r *recorder) Balance(ctx context.Context, who crescendo.Account) (crescendo.Amount, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.exec.book.balances[who], ctx.Err()
}

// Next implements ledger.Ledger.
func (r *recorder) Next(ctx context.Context, height crescendo.Height) (ledger.Block, error) {
	for {
		r.mu.Lock()
		if int(height) <= len(r.blocks) {
			b := r.blocks[height-1]
			r.mu.Unlock()
			out := ledger.Block{Height: height, Time: b.Signed.Header.Time.UnixMilli()}
			for _, t := range b.Results {
				out.Events = append(out.Events, t.Events...)
			}
			out.Events = append(out.Events, b.EndEvents...)
			return out, nil
		}
		wait := r.next
		r.mu.Unlock()
		select {
		case <-ctx.Done():
			return ledger.Block{}, ctx.Err()
		case <-wait:
		}
	}
}

// run makes blocks until ctx ends.
func (r *recorder) run(ctx context.Context) {
	for ctx.Err() == nil {
		r.advance()
		time.Sleep(3 * time.Millisecond)
	}
}
