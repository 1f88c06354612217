package proof

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/sealing"
)

// MaxHeaders bounds the headers of one bundle.
const MaxHeaders = 64

// SignedHeader is a header, the votes for it and who could vote.
type SignedHeader struct {
	Signed     light.SignedHeader `pb:"1"`
	Validators []light.Validator  `pb:"2"`
}

// LightEntry is one entry as the ledger's store holds it; an empty value means
// absence.
type LightEntry struct {
	Stored []byte          `pb:"1"`
	Proof  []light.ProofOp `pb:"2"`
}

// LightBundle proves entries of the state before the last header, and the
// headers from one that the verifier knows.
type LightBundle struct {
	Headers []SignedHeader `pb:"1"`
	Entries []LightEntry   `pb:"2"`
}

type lightVerifier struct{ client *light.Client }

func newLightVerifier(chain string, t sealing.Trust) (Verifier, error) {
	if t.Height < 1 || t.Root.IsZero() {
		return nil, crescendo.Errorf(crescendo.CodeInvalid, "trusted block: want a height and a hash")
	}
	return lightVerifier{light.New(light.Trust{ChainID: chain, Height: int64(t.Height), Hash: t.Root[:]})}, nil
}

// Verify implements Verifier.
func (v lightVerifier) Verify(keys [][]byte, bundle []byte) (crescendo.Height, []Entry, error) {
	var b LightBundle
	if err := canon.Decode(bundle, &b); err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	if len(b.Headers) == 0 || len(b.Headers) > MaxHeaders || len(b.Entries) != len(keys) {
		return 0, nil, fmt.Errorf("%d headers, %d entries for %d keys: %w", len(b.Headers), len(b.Entries), len(keys), ErrProof)
	}
	for _, h := range b.Headers {
		if err := v.client.Verify(h.Signed, h.Validators); err != nil {
			return 0, nil, fmt.Errorf("%w: %w", ErrProof, err)
		}
	}
	last := b.Headers[len(b.Headers)-1].Signed.Header
	entries := make([]Entry, len(keys))
	for i, key := range keys {
		var err error
		if entries[i], err = checkEntry(last.AppHash, key, b.Entries[i]); err != nil {
			return 0, nil, fmt.Errorf("%w: %w", ErrProof, err)
		}
	}
	return crescendo.Height(last.Height - 1), entries, nil
}

func checkEntry(appHash, key []byte, e LightEntry) (Entry, error) {
	if len(key) == 0 {
		return Entry{}, errors.New("empty key")
	}
	if len(e.Stored) == 0 {
		return Entry{Key: key}, light.VerifyAbsence(appHash, wire.RuleStore, key, e.Proof)
	}
	if err := light.VerifyValue(appHash, wire.RuleStore, key, e.Stored, e.Proof); err != nil {
		return Entry{}, err
	}
	value, err := wire.RuleValue(e.Stored)
	return Entry{Key: key, Present: true, Value: value}, err
}
