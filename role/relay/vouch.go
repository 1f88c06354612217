package relay

import (
	"context"
	"crypto/ed25519"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/role/vault/proof"
	"github.com/crescendo-network/crescendo/sealing"
)

// Vouching is a Prover for ledgers that make no proofs, on development chains
// only: the relay itself signs what it read. See sealing.TrustKey.
type Vouching struct {
	Ledger ledger.Ledger
	Key    ed25519.PrivateKey
}

// Trust implements Prover.
func (v Vouching) Trust(context.Context) (sealing.Trust, error) {
	return proof.NewVoucher(v.Ledger.ChainID(), v.Key).Trust(), nil
}

// Prove implements Prover.
func (v Vouching) Prove(ctx context.Context, keys [][]byte, after crescendo.Height) ([]byte, error) {
	for {
		state, err := v.Ledger.State(ctx)
		if err != nil {
			return nil, err
		}
		if state.Height() >= after {
			return proof.NewVoucher(v.Ledger.ChainID(), v.Key).Bundle(state, state.Height(), keys)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
