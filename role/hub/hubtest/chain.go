// Package hubtest makes chains for tests of the hub: a genesis document and
// blocks with real transactions, signatures and results, as an archive would
// have them, and a short story of a programme told on them. Nothing outside of
// tests uses it; no model is trained, so payloads are names of nothing.
package hubtest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/program"
)

// Chain is a ledger whose blocks a test makes one by one.
type Chain struct {
	ID      string
	Genesis []byte
	Rules   program.Rules
	Store   *kv.Memory // the rules' state after the newest transaction

	key       ed25519.PrivateKey
	set       []light.Validator
	accounts  map[crescendo.Account]uint64
	sequences map[crescendo.Account]uint64
	open      light.Block
	previous  []byte
	results   []byte // hash of the previous block's results

	mu     sync.Mutex
	blocks [][]byte      // guarded by mu
	next   chan struct{} // closed when a block is made; guarded by mu
}

// NewChain begins a chain on which the given accounts, in their order, have
// equal balances.
func NewChain(id string, spec program.Spec, rules program.Rules, accounts []crescendo.Account, balance crescendo.Amount) (*Chain, error) {
	seed := sha256.Sum256([]byte("hubtest validator"))
	c := &Chain{ID: id, Rules: rules, Store: kv.NewMemory(), key: ed25519.NewKeyFromSeed(seed[:]), accounts: map[crescendo.Account]uint64{},
		sequences: map[crescendo.Account]uint64{}, next: make(chan struct{})}
	public := c.key.Public().(ed25519.PublicKey)
	address := sha256.Sum256(public)
	c.set = []light.Validator{{Address: address[:20], Power: 1, Key: light.PublicKey{Type: "tendermint/PubKeyEd25519", Value: public}}}
	var balances []any
	for i, who := range accounts {
		c.accounts[who] = uint64(i)
		balances = append(balances, map[string]any{"address": who, "coins": []any{map[string]any{"denom": spec.Denom, "amount": balance.String()}}})
	}
	validator := map[string]any{"consensus_pubkey": map[string]any{"@type": "/cosmos.crypto.ed25519.PubKey", "key": []byte(public)},
		"status": "BOND_STATUS_BONDED", "tokens": "1000000"}
	var err error
	c.Genesis, err = json.Marshal(map[string]any{"chain_id": id, "initial_height": "1", "app_state": map[string]any{
		"bank": map[string]any{"balances": balances}, "crescendo": map[string]any{"spec": canon.Encode(spec)},
		"staking": map[string]any{"validators": []any{validator}}}})
	if err != nil {
		return nil, err
	}
	return c, program.Genesis(c.Store, spec)
}

// Env is what rules know in the open block.
func (c *Chain) Env() crescendo.Env {
	height := crescendo.Height(len(c.blocks) + 1)
	return crescendo.Env{ChainID: c.ID, Height: height, Time: 1_700_000_000 + int64(height), Beacon: wire.Beacon(c.previous)}
}

// Do puts messages into the open block as one transaction. A refusal becomes
// part of the block as well.
func (c *Chain) Do(signer ledger.Signer, msgs ...crescendo.Message) error {
	who := signer.Account()
	d := wire.Draft{ChainID: c.ID, Account: c.accounts[who], Sequence: c.sequences[who], PublicKey: signer.PublicKey(), Messages: msgs}
	signature, err := signer.Sign(d.SignDocument())
	if err != nil {
		return err
	}
	c.sequences[who]++
	overlay := kv.NewOverlay(c.Store)
	result := light.Result{GasUsed: 1}
	var refused error
	for _, m := range msgs {
		out, err := c.Rules.Apply(c.Env(), overlay, m)
		if err != nil {
			refused = err
			break
		}
		result.Events = append(result.Events, out.Events...)
	}
	if refused == nil {
		if err := overlay.Commit(c.Store); err != nil {
			return err
		}
	} else if e, ok := refused.(*crescendo.Error); ok {
		result = light.Result{Code: wire.CodeNumber(e.Code), Codespace: wire.Codespace, Log: wire.ErrorLog(e)}
	} else {
		return refused
	}
	c.open.Txs, c.open.Results = append(c.open.Txs, d.Encode(signature)), append(c.open.Results, result)
	return refused
}

// Close ends the open block, signs it and begins the next.
func (c *Chain) Close() error {
	overlay := kv.NewOverlay(c.Store)
	env := c.Env()
	out, err := c.Rules.EndBlock(env, overlay)
	if err != nil {
		return fmt.Errorf("end of block %d: %w", env.Height, err)
	}
	if err := overlay.Commit(c.Store); err != nil {
		return err
	}
	b := c.open
	c.open = light.Block{}
	b.EndEvents, b.Validators = out.Events, c.set
	c.seal(&b, env)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocks = append(c.blocks, b.Encode())
	close(c.next)
	c.next = make(chan struct{})
	return nil
}

// seal makes a block's header and has the validator sign it.
func (c *Chain) seal(b *light.Block, env crescendo.Env) {
	noParts := light.Parts{Total: 1, Hash: make([]byte, 32)}
	h := light.Header{
		Version: light.Version{Block: 11}, ChainID: c.ID, Height: int64(env.Height), Time: light.Time{Seconds: env.Time},
		ValidatorsHash: light.ValidatorsHash(c.set), NextValidatorsHash: light.ValidatorsHash(c.set), AppHash: make([]byte, 32),
		ProposerAddress: c.set[0].Address, DataHash: light.TxsHash(b.Txs), LastResultsHash: c.results,
	}
	if c.previous != nil {
		h.LastBlockID = light.BlockID{Hash: c.previous, Parts: noParts}
	}
	id := light.BlockID{Hash: h.Hash(), Parts: noParts}
	b.Signed = light.SignedHeader{Header: h, Commit: light.Commit{Height: h.Height, BlockID: id, Signatures: []light.Signature{{
		Flag: 2, Address: c.set[0].Address, Time: h.Time, Signature: ed25519.Sign(c.key, voteDocument(h, id))}}}}
	c.previous, c.results = h.Hash(), b.ResultsHash()
}

// voteDocument is what a validator signs: CometBFT's canonical precommit.
func voteDocument(h light.Header, id light.BlockID) []byte {
	parts := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1)
	parts = protowire.AppendBytes(protowire.AppendTag(parts, 2, protowire.BytesType), id.Parts.Hash)
	block := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), id.Hash)
	block = protowire.AppendBytes(protowire.AppendTag(block, 2, protowire.BytesType), parts)
	vote := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 2)
	vote = protowire.AppendFixed64(protowire.AppendTag(vote, 2, protowire.Fixed64Type), uint64(h.Height))
	vote = protowire.AppendBytes(protowire.AppendTag(vote, 4, protowire.BytesType), block)
	when := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(h.Time.Seconds))
	vote = protowire.AppendBytes(protowire.AppendTag(vote, 5, protowire.BytesType), when)
	vote = protowire.AppendBytes(protowire.AppendTag(vote, 6, protowire.BytesType), []byte(h.ChainID))
	return append(protowire.AppendVarint(nil, uint64(len(vote))), vote...)
}

// Head implements record.Source: it counts an unfinished successor, without
// which the newest block would not be complete.
func (c *Chain) Head(ctx context.Context) (crescendo.Height, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return crescendo.Height(len(c.blocks)) + 1, ctx.Err()
}

// Block implements record.Source.
func (c *Chain) Block(ctx context.Context, height crescendo.Height) ([]byte, error) {
	for {
		c.mu.Lock()
		if height >= 1 && int(height) <= len(c.blocks) {
			defer c.mu.Unlock()
			return c.blocks[height-1], nil
		}
		next := c.next
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-next:
		}
	}
}

// Blocks returns the canonical bytes of all blocks so far.
func (c *Chain) Blocks() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([][]byte(nil), c.blocks...)
}
