package app

import (
	"context"

	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/cosmos/cosmos-sdk/server"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"

	"github.com/crescendo-network/crescendo/internal/canon"
	xcrescendo "github.com/crescendo-network/crescendo/ledger/cosmos/x/crescendo"
	"github.com/crescendo-network/crescendo/ledger/wire"
)

// application is what CometBFT calls: the SDK's, and one query of ours.
type application struct {
	abci.Application
	app *App
}

func (a *App) abci() abci.Application {
	return application{server.NewCometABCIWrapper(a.App), a}
}

// Query implements abci.Application.
func (a application) Query(ctx context.Context, req *abci.RequestQuery) (*abci.ResponseQuery, error) {
	if req.Path == wire.RangePath {
		return a.app.queryRange(ctx, req), nil
	}
	return a.Application.Query(ctx, req)
}

func refuseQuery(err error) *abci.ResponseQuery {
	return &abci.ResponseQuery{Codespace: wire.Codespace, Code: 2, Log: err.Error()}
}

// queryRange returns entries of the rule store at one height, each with its
// proof.
func (a *App) queryRange(ctx context.Context, req *abci.RequestQuery) (resp *abci.ResponseQuery) {
	defer func() {
		if r := recover(); r != nil {
			resp = &abci.ResponseQuery{Codespace: wire.Codespace, Code: 8, Log: "range query failed"}
		}
	}()
	var q wire.RangeRequest
	if err := canon.Decode(req.Data, &q); err != nil {
		return refuseQuery(err)
	}
	height := req.Height
	if height == 0 {
		height = a.LastBlockHeight()
	}
	store, err := a.CommitMultiStore().CacheMultiStoreWithVersion(height)
	if err != nil {
		return refuseQuery(err)
	}
	keys := rangeKeys(store.GetKVStore(a.UnsafeFindStoreKey(xcrescendo.ModuleName)), q)
	var answer wire.RangeResponse
	size := 0
	for _, key := range keys {
		r, err := a.App.Query(ctx, &abci.RequestQuery{
			Path: "/store/" + wire.RuleStore + "/key", Data: key, Height: height, Prove: true})
		if err != nil {
			return refuseQuery(err)
		}
		if r.Code != 0 {
			return r
		}
		entry := wire.ProvedEntry{Key: key, Value: r.Value}
		for _, op := range r.ProofOps.GetOps() {
			entry.Proof = append(entry.Proof, wire.ProofOp{Type: op.Type, Key: op.Key, Data: op.Data})
		}
		if size += len(key) + len(r.Value) + 2048; size > wire.MaxRangeBytes && len(answer.Entries) > 0 {
			answer.More = true
			break
		}
		answer.Entries = append(answer.Entries, entry)
	}
	return &abci.ResponseQuery{Value: canon.Encode(answer), Height: height}
}

func rangeKeys(store storetypes.KVStore, q wire.RangeRequest) [][]byte {
	from := []byte(max(string(q.Prefix), string(q.Start)))
	end := storetypes.PrefixEndBytes(q.Prefix)
	if end != nil && string(from) >= string(end) {
		return nil
	}
	it := store.Iterator(from, end)
	defer it.Close()
	var keys [][]byte
	for ; it.Valid() && len(keys) < min(int(q.Limit), wire.MaxRange); it.Next() {
		keys = append(keys, it.Key())
	}
	return keys
}
