package actor

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"golang.org/x/sync/errgroup"
)

// together submits each signer's message at the same time.
func together(ctx context.Context, l ledger.Ledger, signers []ledger.Signer, msgs []crescendo.Message) error {
	var g errgroup.Group
	for i, s := range signers {
		g.Go(func() error {
			if _, err := l.Submit(ctx, s, msgs[i]); err != nil {
				return fmt.Errorf("%s: %w", s.Account(), err)
			}
			return nil
		})
	}
	return g.Wait()
}
