package evaluator_test

import (
	"errors"
	"testing"

	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/role/evaluator"
	"github.com/crescendo-network/crescendo/training/start"
)

// Nobody works in a rung, or judges it, that the organiser has started from
// another model than the programme says.
func TestForgedStart(t *testing.T) {
	s := newStage(t, testSpec(3), "eva", "eli", "ada", "bob", "cyd")
	s.forge = func(checkpoint []byte) { checkpoint[len(checkpoint)-1] ^= 1 }
	s.begin()
	ends := make(chan error, 5)
	for _, name := range []string{"eva", "eli"} {
		s.wg.Go(func() {
			ends <- evaluator.Run(s.ctx, evaluator.Config{Ledger: s.chain, Signer: memory.NewSigner(name), Blobs: s.blobs, Engine: native.New(1), Name: name, Log: s.log})
		})
	}
	for _, name := range []string{"ada", "bob", "cyd"} {
		_, ended := s.trainer(name, "")
		s.wg.Go(func() { ends <- <-ended })
	}
	for range cap(ends) {
		if err := <-ends; !errors.Is(err, start.ErrForged) {
			t.Errorf("a seat ended with %v, want ErrForged", err)
		}
	}
}
