package proof

import (
	"context"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/attest"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/sealing"
)

// CheckTrust refuses a vault that began to believe another ledger than l, by
// headers that l itself has verified. Keepers ask before they hand over a key,
// clients before they send a prompt: neither takes the ledger's rule for it.
//
// A ledger without headers proves nothing to anybody, so there the only trust
// that passes is the one in a key, on development chains.
func CheckTrust(ctx context.Context, l ledger.Ledger, t sealing.Trust) error {
	headers, ok := l.(ledger.Headers)
	if !ok {
		if t.Kind == sealing.TrustKey && strings.HasPrefix(l.ChainID(), attest.DevelopmentPrefix) {
			return nil
		}
		return refusal("its trust %.32q cannot be checked against this ledger", t.Kind)
	}
	if t.Kind != sealing.TrustBlock {
		return refusal("it believes %.32q instead of a block of the ledger", t.Kind)
	}
	hash, err := headers.BlockHash(ctx, t.Height)
	if err != nil {
		return err
	}
	if hash != t.Root {
		return refusal("it believes that block %d is %s; it is %s", t.Height, t.Root.Short(), hash.Short())
	}
	return nil
}

func refusal(format string, args ...any) error {
	return crescendo.Errorf(crescendo.CodeForbidden, "vault believes another ledger: "+format, args...).
		WithHint("the vault was started on a forged chain: do not trust its operator")
}
