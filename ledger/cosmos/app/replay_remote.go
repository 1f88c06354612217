package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	cmttypes "github.com/cometbft/cometbft/types"

	nouns "github.com/crescendo-network/crescendo"
	xcrescendo "github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo"
	"github.com/crescendo-network/crescendo/ledger/light"
)

// Remote is where blocks come from that are not on this machine.
type Remote interface {
	// Genesis returns the genesis document in JSON.
	Genesis(ctx context.Context) ([]byte, error)
	// Block returns the encoding of a light.Block.
	Block(ctx context.Context, height nouns.Height) ([]byte, error)
}

// ReplayRemote replays a chain up to a height from blocks that somebody
// serves. The blocks must be signed by the validators that the genesis, and
// then each block, appoints. genesisHash may be empty.
func ReplayRemote(ctx context.Context, from Remote, genesisHash string, until nouns.Height, rules xcrescendo.Rules) (Replayed, error) {
	raw, err := from.Genesis(ctx)
	if err != nil {
		return Replayed{}, err
	}
	doc, err := cmttypes.GenesisDocFromJSON(raw)
	if err != nil {
		return Replayed{}, fmt.Errorf("read genesis: %w", err)
	}
	if hash, err := hashGenesis(doc); err != nil || (genesisHash != "" && hash != genesisHash) {
		return Replayed{}, errors.Join(fmt.Errorf("the genesis is %s, wanted %s", hash, genesisHash), err)
	}
	var verifier *light.Client
	return Replay(ctx, doc, rules, func(height int64) (*Block, error) {
		if height > int64(until) {
			return nil, nil
		}
		raw, err := from.Block(ctx, nouns.Height(height))
		if err != nil {
			return nil, err
		}
		b, err := light.DecodeBlock(raw)
		if err != nil {
			return nil, err
		}
		if verifier == nil {
			// Executing the genesis appoints the first validators; a wrong
			// set shows in the app hash of the next header.
			verifier = light.New(light.Trust{ChainID: doc.ChainID, Validators: b.Validators})
		}
		if err := errors.Join(verifier.Verify(b.Signed, b.Validators), b.Verify()); err != nil {
			return nil, err
		}
		return executable(b), nil
	})
}

func executable(b light.Block) *Block {
	h := b.Signed.Header
	return &Block{Hash: h.Hash(), Txs: b.Txs, Header: cmttypes.Header{
		Height: h.Height, Time: time.Unix(h.Time.Seconds, h.Time.Nanos).UTC(), AppHash: bytes.Clone(h.AppHash),
		NextValidatorsHash: bytes.Clone(h.NextValidatorsHash), ProposerAddress: bytes.Clone(h.ProposerAddress),
	}}
}
