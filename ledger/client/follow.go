package client

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/ledger/wire"
)

// rpcEvent is an event as the node reports it.
type rpcEvent struct {
	Type  string           `json:"type"`
	Attrs []crescendo.Attr `json:"attributes"`
}

type rpcResult struct {
	Code      uint32     `json:"code"`
	Data      []byte     `json:"data"`
	Log       string     `json:"log"`
	GasWanted int64      `json:"gas_wanted,string"`
	GasUsed   int64      `json:"gas_used,string"`
	Events    []rpcEvent `json:"events"`
	Codespace string     `json:"codespace"`
}

type blockResult struct {
	txs       map[string]int // by bytes; nil: not fetched yet
	raw       [][]byte
	results   []light.Result
	endEvents []crescendo.Event
}

func ours(events []rpcEvent) []crescendo.Event {
	var out []crescendo.Event
	for _, e := range events {
		if parsed, ok := wire.ParseEvent(e.Type, e.Attrs); ok {
			out = append(out, parsed)
		}
	}
	return out
}

// results returns what happened in a committed block.
func (c *Client) results(ctx context.Context, height int64) (*blockResult, error) {
	c.mu.Lock()
	b, ok := c.blocks[height]
	c.mu.Unlock()
	if ok {
		return b, nil
	}
	var answer struct {
		Results []rpcResult `json:"txs_results"`
		Events  []rpcEvent  `json:"finalize_block_events"`
	}
	at := params{"height": strconv.FormatInt(height, 10)}
	if err := c.rpc.call(ctx, "block_results", at, &answer); err != nil {
		return nil, err
	}
	b = &blockResult{txs: map[string]int{}, endEvents: ours(answer.Events)}
	for _, r := range answer.Results {
		b.results = append(b.results, light.Result{
			Code: r.Code, Data: r.Data, GasWanted: r.GasWanted, GasUsed: r.GasUsed,
			Codespace: r.Codespace, Log: r.Log, Events: ours(r.Events)})
	}
	if len(b.results) > 0 {
		var block struct {
			Block struct {
				Data struct {
					Txs [][]byte `json:"txs"`
				} `json:"data"`
			} `json:"block"`
		}
		if err := c.rpc.call(ctx, "block", at, &block); err != nil {
			return nil, err
		}
		b.raw = block.Block.Data.Txs
		for i, tx := range b.raw {
			b.txs[string(tx)] = i
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.blocks) >= recent {
		clear(c.blocks)
	}
	c.blocks[height] = b
	return b, nil
}

// Next implements ledger.Ledger.
func (c *Client) Next(ctx context.Context, height crescendo.Height) (ledger.Block, error) {
	if height < 1 {
		return ledger.Block{}, crescendo.Errorf(crescendo.CodeInvalid, "next block: there is no height %d", height)
	}
	if err := c.waitHeight(ctx, int64(height)); err != nil {
		return ledger.Block{}, err
	}
	h, err := c.header(ctx, int64(height))
	if err != nil {
		return ledger.Block{}, err
	}
	r, err := c.results(ctx, int64(height))
	if err != nil {
		return ledger.Block{}, err
	}
	b := ledger.Block{Height: height, Time: h.Time.UnixMilli()}
	for _, tx := range r.results {
		b.Events = append(b.Events, tx.Events...)
	}
	b.Events = append(b.Events, r.endEvents...)
	c.learned(int64(height))
	return b, nil
}

// Block waits for a block and returns it whole, in the canonical encoding of
// light.Block, for archives and audits. It is for the reader to verify.
func (c *Client) Block(ctx context.Context, height crescendo.Height) ([]byte, error) {
	if height < 1 {
		return nil, crescendo.Errorf(crescendo.CodeInvalid, "read block: there is no height %d", height)
	}
	// The votes for a block are final in the next one.
	if err := c.waitHeight(ctx, int64(height)+1); err != nil {
		return nil, err
	}
	signed, err := c.fetchCommit(ctx, int64(height))
	if err != nil {
		return nil, err
	}
	c.advancing.Lock()
	set, err := c.fetchValidators(ctx, signed.Header)
	c.advancing.Unlock()
	if err != nil {
		return nil, err
	}
	r, err := c.results(ctx, int64(height))
	if err != nil {
		return nil, err
	}
	b := light.Block{Signed: signed, Validators: set, Txs: r.raw, Results: r.results, EndEvents: r.endEvents}
	if err := b.Verify(); err != nil {
		return nil, proofError(err)
	}
	return b.Encode(), nil
}

// Genesis returns the chain's genesis document as the node has it, in JSON.
func (c *Client) Genesis(ctx context.Context) ([]byte, error) {
	var answer struct {
		Genesis json.RawMessage `json:"genesis"`
	}
	err := c.rpc.call(ctx, "genesis", nil, &answer)
	return answer.Genesis, err
}
