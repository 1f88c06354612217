package auditor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/ledger/light"
)

// maxBlock bounds the blob of an archived block.
const maxBlock = 64 << 20

// chain checks that archived blocks are one chain, signed by its validators.
type chain struct {
	client   *light.Client
	previous light.Block
	hash     []byte // of the previous block
	hashes   map[string]crescendo.Height
	byHeight [][]byte // hash of block i+1
	states   [][]byte // app hash in header i+1: the state before that block
	appHash  []byte
	height   crescendo.Height
	broken   bool // the previous block could not be read
}

func newChain(g Genesis) *chain {
	return &chain{client: light.New(light.Trust{ChainID: g.ChainID, Validators: g.Validators}), hashes: map[string]crescendo.Height{}}
}

// add checks a block against the header it must follow.
func (c *chain) add(height crescendo.Height, b light.Block) error {
	h := b.Signed.Header
	hash := h.Hash()
	err := errors.Join(c.links(height, h), b.Verify(), c.client.Verify(b.Signed, b.Validators), addresses(b))
	c.previous, c.hash, c.broken = b, hash, false
	c.hashes[hex.EncodeToString(hash)] = height
	c.appHash, c.height = h.AppHash, height
	for crescendo.Height(len(c.states)) < height {
		c.states, c.byHeight = append(c.states, nil), append(c.byHeight, nil)
	}
	c.states[height-1], c.byHeight[height-1] = h.AppHash, hash
	return err
}

// links checks what a header says about the block before.
func (c *chain) links(height crescendo.Height, h light.Header) error {
	switch {
	case h.Height != int64(height):
		return fmt.Errorf("it is block %d, filed under %d", h.Height, height)
	case c.broken:
		return nil // the block before is missing, and that is said there
	case !bytes.Equal(h.LastBlockID.Hash, c.hash):
		return fmt.Errorf("it follows block %X, the archived one is %X", []byte(h.LastBlockID.Hash), c.hash)
	case height > 1 && !bytes.Equal(h.LastResultsHash, c.previous.ResultsHash()):
		return fmt.Errorf("it does not confirm the archived results of block %d", height-1)
	case height > 1 && !bytes.Equal(h.ValidatorsHash, c.previous.Signed.Header.NextValidatorsHash):
		return fmt.Errorf("its validators are not those that block %d appointed", height-1)
	}
	return nil
}

// addresses checks what nothing signs: that validators are named by their keys.
func addresses(b light.Block) error {
	for i, v := range b.Validators {
		sum := sha256.Sum256(v.Key.Value)
		if !bytes.Equal(v.Address, sum[:20]) {
			return fmt.Errorf("validator %d has the address of another key", i)
		}
		if i < len(b.Signed.Commit.Signatures) && b.Signed.Commit.Signatures[i].Flag == 2 && !bytes.Equal(b.Signed.Commit.Signatures[i].Address, v.Address) {
			return fmt.Errorf("signature %d names another validator", i)
		}
	}
	return nil
}

// trusted reports whether the chain contains what the caller trusts: a block's
// hash, "height:hash", or the hash of the genesis.
func (c *chain) trusted(trust, genesis string) error {
	want := strings.ToLower(trust)
	if height, hash, ok := strings.Cut(want, ":"); ok {
		if at, known := c.hashes[hash]; known && fmt.Sprint(at) == height {
			return nil
		}
		return fmt.Errorf("block %s of this chain is another one: this is not the chain you trust", height)
	}
	if _, ok := c.hashes[want]; ok || want == genesis {
		return nil
	}
	return errors.New("no block of this chain and not its genesis has this hash: this is not the chain you trust")
}

// at returns the hash of an archived block.
func (c *chain) at(height crescendo.Height) ([]byte, bool) {
	if height < 1 || height > crescendo.Height(len(c.byHeight)) || c.byHeight[height-1] == nil {
		return nil, false
	}
	return c.byHeight[height-1], true
}

// confirms compares a state that the ledger's own program computed, and has
// compared with its own record, with the header that follows it. The archive
// may lack that one: it is a block behind.
func (c *chain) confirms(height crescendo.Height, appHash []byte) error {
	if height < crescendo.Height(len(c.states))-1 || height < 1 {
		return fmt.Errorf("it ends at block %d, the archive has %d", height, len(c.states))
	}
	if height >= crescendo.Height(len(c.states)) || c.states[height] == nil {
		return nil
	}
	if !bytes.Equal(c.states[height], appHash) {
		return fmt.Errorf("after block %d it is %X, header %d says %X", height, appHash, height+1, c.states[height])
	}
	return nil
}

// history reads the archived blocks one by one.
type history struct {
	names []crescendo.Hash
	blobs blob.Store
}

func (h history) block(ctx context.Context, i int) (light.Block, error) {
	raw, err := h.blobs.Get(ctx, h.names[i], maxBlock)
	if err != nil {
		return light.Block{}, err
	}
	return light.DecodeBlock(raw)
}

// executable takes over what execution needs of an archived block.
func executable(b light.Block) Block {
	h := b.Signed.Header
	out := Block{Height: crescendo.Height(h.Height), Time: h.Time.Seconds, Hash: h.Hash(), Txs: b.Txs, EndEvents: b.EndEvents}
	for _, r := range b.Results {
		out.Results = append(out.Results, Result{r.Code, r.Codespace, r.Log, r.Events})
	}
	return out
}
