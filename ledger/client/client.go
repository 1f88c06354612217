// Package client is the ledger.Ledger of a Cosmos ledger, reached over its
// JSON-RPC. It links neither the Cosmos SDK nor CometBFT.
//
// What it reads of state is proved against headers that the light client has
// verified. Events are the node's word: they tell a seat when to look at
// state, and auditors compute them again.
package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/ledger/wire"
)

// Options say which chain is wanted and what of it is trusted.
type Options struct {
	ChainID string
	// Trust is a block checked out of band. Without it, the newest block the
	// node offers is believed when the client is made, and verified from
	// there on.
	Trust light.Trust
}

// Client is one chain behind one node. It is safe for concurrent use.
type Client struct {
	rpc     *rpc
	chainID string
	light   *light.Client

	advancing sync.Mutex // held while headers are fetched and verified
	sets      map[string][]light.Validator

	mu       sync.Mutex
	headers  map[int64]light.Header // verified, recent
	blocks   map[int64]*blockResult // recent
	accounts map[crescendo.Account]*account
	height   int64 // newest the node said to have committed
	seen     int64 // newest the caller has learned something of
	denom    string
	noWait   bool // the node has no endpoint to wait on
}

var _ ledger.Ledger = (*Client)(nil)

// recent bounds how many headers and blocks are remembered.
const recent = 128

// Dial connects to a node and checks that it serves the wanted chain.
func Dial(ctx context.Context, url string, o Options) (*Client, error) {
	c := &Client{
		rpc: newRPC(url), chainID: o.ChainID,
		sets: map[string][]light.Validator{}, headers: map[int64]light.Header{},
		blocks: map[int64]*blockResult{}, accounts: map[crescendo.Account]*account{},
	}
	var status struct {
		Node struct {
			Network string `json:"network"`
		} `json:"node_info"`
	}
	if err := c.rpc.call(ctx, "status", nil, &status); err != nil {
		return nil, err
	}
	if o.ChainID == "" {
		c.chainID = status.Node.Network
	}
	if status.Node.Network != c.chainID {
		return nil, fmt.Errorf("ledger at %s is chain %q, want %q: %w", url, status.Node.Network, c.chainID, ledger.ErrWrongChain)
	}
	if err := c.start(ctx, o.Trust); err != nil {
		return nil, err
	}
	return c, nil
}

// start gives the light client its first header.
func (c *Client) start(ctx context.Context, trust light.Trust) error {
	trust.ChainID = c.chainID
	if err := c.waitHeight(ctx, 1); err != nil {
		return err
	}
	height := trust.Height
	if len(trust.Hash) == 0 && len(trust.Validators) == 0 {
		signed, err := c.fetchCommit(ctx, 0)
		if err != nil {
			return err
		}
		height, trust.Hash = signed.Header.Height, signed.Header.Hash()
		trust.Height = height
	} else if height == 0 {
		height = 1
	}
	c.light = light.New(trust)
	_, err := c.header(ctx, height)
	return err
}

// ChainID implements ledger.Ledger.
func (c *Client) ChainID() string { return c.chainID }

// Head implements ledger.Ledger.
func (c *Client) Head(ctx context.Context) (ledger.Head, error) {
	height, err := c.currentHeight(ctx)
	if err != nil {
		return ledger.Head{}, err
	}
	h, err := c.header(ctx, height)
	if err != nil {
		return ledger.Head{}, err
	}
	c.learned(height)
	return ledger.Head{
		ChainID: c.chainID, Height: crescendo.Height(height), Time: h.Time.UnixMilli(),
		AppHash: h.AppHash, Beacon: wire.Beacon(h.Hash()),
	}, nil
}

// learned notes that the caller knows of a height: state it reads from now on
// is not older.
func (c *Client) learned(height int64) {
	c.mu.Lock()
	c.seen = max(c.seen, height)
	c.mu.Unlock()
}

// currentHeight asks the node for its newest height.
func (c *Client) currentHeight(ctx context.Context) (int64, error) {
	var info struct {
		Response struct {
			Height string `json:"last_block_height"`
		} `json:"response"`
	}
	if err := c.rpc.call(ctx, "abci_info", nil, &info); err != nil {
		return 0, err
	}
	if info.Response.Height == "" {
		return 0, nil // no block yet
	}
	height, err := strconv.ParseInt(info.Response.Height, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("ask ledger for its height: %w", err)
	}
	c.mu.Lock()
	c.height = max(c.height, height)
	c.mu.Unlock()
	return height, nil
}

// waitHeight returns once the node has committed a height.
func (c *Client) waitHeight(ctx context.Context, height int64) error {
	for {
		c.mu.Lock()
		known, poll := c.height, c.noWait
		c.mu.Unlock()
		if known >= height {
			return nil
		}
		if !poll {
			if err := c.longPoll(ctx, height); err != nil {
				return err
			}
			continue
		}
		if _, err := c.currentHeight(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollInterval):
		}
	}
}

const pollInterval = 30 * time.Millisecond

// longPoll asks a node of ours to answer when it has the height; other nodes
// are polled.
func (c *Client) longPoll(ctx context.Context, height int64) error {
	url := fmt.Sprintf("%s%s?height=%d", c.rpc.url, wire.WaitPath, height)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	raw, status, err := c.rpc.do(req)
	if err != nil {
		return err
	}
	var answer wire.WaitAnswer
	bad := status != http.StatusOK || json.Unmarshal(raw, &answer) != nil
	c.mu.Lock()
	defer c.mu.Unlock()
	if bad {
		c.noWait = true
	} else {
		c.height = max(c.height, answer.Height)
	}
	return nil
}

// fetchCommit returns a header with its votes; height 0 is the newest.
func (c *Client) fetchCommit(ctx context.Context, height int64) (light.SignedHeader, error) {
	p := params{}
	if height > 0 {
		p["height"] = strconv.FormatInt(height, 10)
	}
	var answer struct {
		Signed light.SignedHeader `json:"signed_header"`
	}
	err := c.rpc.call(ctx, "commit", p, &answer)
	return answer.Signed, err
}

// fetchValidators returns the validators of a height, whose hash is known.
func (c *Client) fetchValidators(ctx context.Context, h light.Header) ([]light.Validator, error) {
	if set, ok := c.sets[string(h.ValidatorsHash)]; ok {
		return set, nil
	}
	var set []light.Validator
	for page := 1; ; page++ {
		var answer struct {
			Validators []light.Validator `json:"validators"`
			Total      string            `json:"total"`
		}
		err := c.rpc.call(ctx, "validators", params{
			"height": strconv.FormatInt(h.Height, 10), "page": strconv.Itoa(page), "per_page": "100"}, &answer)
		if err != nil {
			return nil, err
		}
		set = append(set, answer.Validators...)
		total, err := strconv.Atoi(answer.Total)
		if err != nil || len(answer.Validators) == 0 || len(set) >= min(total, 1000) {
			break
		}
	}
	if len(c.sets) > 8 {
		clear(c.sets)
	}
	c.sets[string(h.ValidatorsHash)] = set
	return set, nil
}

// header returns the verified header of a height the node has committed.
func (c *Client) header(ctx context.Context, height int64) (light.Header, error) {
	c.mu.Lock()
	h, ok := c.headers[height]
	c.mu.Unlock()
	if ok {
		return h, nil
	}
	c.advancing.Lock()
	defer c.advancing.Unlock()
	h, err := c.tryHeader(ctx, height)
	if errors.Is(err, light.ErrGap) {
		h, err = c.bridge(ctx, height)
	}
	return h, err
}

// tryHeader fetches a header and has it verified.
func (c *Client) tryHeader(ctx context.Context, height int64) (light.Header, error) {
	signed, err := c.fetchCommit(ctx, height)
	if err != nil {
		return light.Header{}, err
	}
	set, err := c.fetchValidators(ctx, signed.Header)
	if err != nil {
		return light.Header{}, err
	}
	if signed.Header.Height != height {
		return light.Header{}, fmt.Errorf("asked for header %d, got %d: %w", height, signed.Header.Height, ledger.ErrProof)
	}
	if err := c.light.Verify(signed, set); err != nil {
		return light.Header{}, fmt.Errorf("%w: %w", ledger.ErrProof, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.headers) >= recent {
		clear(c.headers)
	}
	c.headers[height] = signed.Header
	return signed.Header, nil
}

// bridge verifies headers between the newest verified one and a target, as
// few as the changes of validators allow.
func (c *Client) bridge(ctx context.Context, target int64) (light.Header, error) {
	for {
		low, high := c.light.Latest().Height, target
		for high-low > 1 {
			mid := low + (high-low)/2
			_, err := c.tryHeader(ctx, mid)
			switch {
			case err == nil:
				low = mid
			case errors.Is(err, light.ErrGap):
				high = mid
			default:
				return light.Header{}, err
			}
		}
		// The neighbour of the newest verified header needs no more proof.
		if _, err := c.tryHeader(ctx, c.light.Latest().Height+1); err != nil {
			return light.Header{}, err
		}
		h, err := c.tryHeader(ctx, target)
		if !errors.Is(err, light.ErrGap) {
			return h, err
		}
	}
}
