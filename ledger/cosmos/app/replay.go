package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtcfg "github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/state"
	"github.com/cometbft/cometbft/store"
	cmttypes "github.com/cometbft/cometbft/types"
	dbm "github.com/cosmos/cosmos-db"

	xcrescendo "github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo"
)

// Replayed tells how far a replay came and what it computed.
type Replayed struct {
	Height  int64
	AppHash []byte
}

// Block is what execution needs of a block. Evidence is not part of it: no
// module of this ledger acts on evidence, nor on who signed the last block.
type Block struct {
	Hash   []byte
	Header cmttypes.Header
	Txs    [][]byte
}

// Blocks supplies the blocks of a chain from height 1 without gaps; nil means
// that there are no more.
type Blocks func(height int64) (*Block, error)

// Replay executes a chain's blocks from its genesis in memory and compares
// the state after each with the next block's header.
func Replay(ctx context.Context, doc *cmttypes.GenesisDoc, rules xcrescendo.Rules, blocks Blocks) (Replayed, error) {
	a, err := New(Options{ChainID: doc.ChainID, Rules: rules, DB: dbm.NewMemDB()})
	if err != nil {
		return Replayed{}, err
	}
	defer a.Close()
	params := doc.ConsensusParams.ToProto()
	if _, err := a.InitChain(&abci.RequestInitChain{
		Time: doc.GenesisTime, ChainId: doc.ChainID, ConsensusParams: &params,
		Validators: []abci.ValidatorUpdate{}, AppStateBytes: doc.AppState, InitialHeight: doc.InitialHeight,
	}); err != nil {
		return Replayed{}, fmt.Errorf("replay genesis: %w", err)
	}
	var done Replayed
	for h := doc.InitialHeight; ctx.Err() == nil; h++ {
		b, err := blocks(h)
		if err != nil {
			return done, fmt.Errorf("replay block %d: %w", h, err)
		}
		if b == nil {
			return done, nil
		}
		if h > doc.InitialHeight && !bytes.Equal(b.Header.AppHash, done.AppHash) {
			return done, fmt.Errorf("replay block %d: computed app hash %X, the block says %X", h, done.AppHash, b.Header.AppHash)
		}
		r, err := a.FinalizeBlock(&abci.RequestFinalizeBlock{
			Txs: b.Txs, Hash: b.Hash, Height: b.Header.Height, Time: b.Header.Time,
			NextValidatorsHash: b.Header.NextValidatorsHash, ProposerAddress: b.Header.ProposerAddress,
		})
		if err != nil {
			return done, fmt.Errorf("replay block %d: %w", h, err)
		}
		if _, err := a.Commit(); err != nil {
			return done, fmt.Errorf("replay block %d: %w", h, err)
		}
		done = Replayed{h, r.AppHash}
	}
	return done, ctx.Err()
}

// ReplayHome replays what a stopped node holds. It returns an error when the
// node's own record of its state differs.
func ReplayHome(ctx context.Context, home string, rules xcrescendo.Rules) (_ Replayed, err error) {
	cfg := homeConfig(home)
	doc, err := cmttypes.GenesisDocFromFile(cfg.GenesisFile())
	if err != nil {
		return Replayed{}, err
	}
	blockDB, err := cmtcfg.DefaultDBProvider(&cmtcfg.DBContext{ID: "blockstore", Config: cfg})
	if err != nil {
		return Replayed{}, fmt.Errorf("open blocks of %s: %w", home, err)
	}
	defer func() { err = errors.Join(err, blockDB.Close()) }()
	stateDB, err := cmtcfg.DefaultDBProvider(&cmtcfg.DBContext{ID: "state", Config: cfg})
	if err != nil {
		return Replayed{}, fmt.Errorf("open state of %s: %w", home, err)
	}
	defer func() { err = errors.Join(err, stateDB.Close()) }()
	known, err := state.NewStore(stateDB, state.StoreOptions{}).Load()
	if err != nil {
		return Replayed{}, err
	}
	chain := store.NewBlockStore(blockDB)
	if chain.Base() > doc.InitialHeight {
		return Replayed{}, fmt.Errorf("replay %s: blocks before %d were pruned; replay from an archive", home, chain.Base())
	}
	done, err := Replay(ctx, doc, rules, func(h int64) (*Block, error) {
		if h > known.LastBlockHeight {
			return nil, nil
		}
		b := chain.LoadBlock(h)
		if b == nil {
			return nil, fmt.Errorf("the node does not have it")
		}
		return &Block{b.Hash(), b.Header, b.Txs.ToSliceOfBytes()}, nil
	})
	if err == nil && !bytes.Equal(done.AppHash, known.AppHash) {
		err = fmt.Errorf("replay %s: computed app hash %X, the node has %X", home, done.AppHash, known.AppHash)
	}
	return done, err
}
