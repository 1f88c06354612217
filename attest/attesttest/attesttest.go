// Package attesttest is the contract of evidence: what every kind must be
// refused for. A kind whose evidence passes is judged safely; whether it is
// produced safely is another question.
package attesttest

import (
	"bytes"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/attest"
	"github.com/crescendo-network/crescendo/sealing"
)

// Chain is a development chain.
const Chain = attest.DevelopmentPrefix + "test"

// A Provider produces evidence of one kind that carries report data, and says
// what measurement it vouches for.
type Provider struct {
	Kind        string
	Measurement []byte
	Quote       func(report []byte) ([]byte, error)
	Simulated   bool
}

// Run checks the contract.
func Run(t *testing.T, p Provider) {
	binding := sealing.EvidenceBinding(Chain, "cresc1operator", bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 1216), crescendo.Hash{})
	trust := sealing.Trust{Kind: sealing.TrustBlock, Height: 1, Root: crescendo.Hash{7}}
	otherBlock, otherHeight, key := trust, trust, trust
	otherBlock.Root[0]++
	otherHeight.Height++
	key.Kind = sealing.TrustKey
	body, err := p.Quote(attest.Report(binding, trust))
	if err != nil {
		t.Fatal(err)
	}
	good := attest.Evidence{Kind: p.Kind, Body: body, Trust: trust}
	appraise := func(e attest.Evidence, binding []byte, chain string) (sealing.Appraisal, error) {
		return attest.Appraise(e.Encode(), binding, true, chain, 0)
	}
	t.Run("good evidence", func(t *testing.T) {
		a, err := appraise(good, binding, Chain)
		if err != nil || a.Kind != p.Kind || a.Assurance == "" || !bytes.Equal(a.Measurement, p.Measurement) || a.Trust != trust {
			t.Fatalf("got %+v, %v", a, err)
		}
	})
	refused := func(name string, e attest.Evidence, binding []byte, chain string) {
		t.Run(name, func(t *testing.T) {
			if a, err := appraise(e, binding, chain); err == nil {
				t.Errorf("accepted: %+v", a)
			}
		})
	}
	other := sealing.EvidenceBinding(Chain, "cresc1other", bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 1216), crescendo.Hash{})
	refused("another operator's binding", good, other, Chain)
	refused("another trusted block", attest.Evidence{Kind: p.Kind, Body: body, Trust: otherBlock}, binding, Chain)
	refused("another trusted height", attest.Evidence{Kind: p.Kind, Body: body, Trust: otherHeight}, binding, Chain)
	refused("another kind of trust", attest.Evidence{Kind: p.Kind, Body: body, Trust: key}, binding, Chain)
	vouched, err := p.Quote(attest.Report(binding, key))
	if err != nil {
		t.Fatal(err)
	}
	refused("trust in a key", attest.Evidence{Kind: p.Kind, Body: vouched, Trust: key}, binding, Chain)
	refused("no body", attest.Evidence{Kind: p.Kind, Trust: trust}, binding, Chain)
	refused("cut body", attest.Evidence{Kind: p.Kind, Body: body[:len(body)-1], Trust: trust}, binding, Chain)
	refused("longer body", attest.Evidence{Kind: p.Kind, Body: append(bytes.Clone(body), 0), Trust: trust}, binding, Chain)
	t.Run("every byte counts", func(t *testing.T) {
		for i := range body {
			changed := bytes.Clone(body)
			changed[i] ^= 0x10
			if _, err := appraise(attest.Evidence{Kind: p.Kind, Body: changed, Trust: trust}, binding, Chain); err == nil {
				t.Fatalf("byte %d of %d may be changed", i, len(body))
			}
		}
	})
	if p.Simulated {
		refused("simulated evidence on a real chain", good, binding, "crescendo-1")
		t.Run("simulated evidence where it is not allowed", func(t *testing.T) {
			if _, err := attest.Appraise(good.Encode(), binding, false, Chain, 0); crescendo.CodeOf(err) != crescendo.CodeForbidden {
				t.Errorf("got %v", err)
			}
		})
	}
}
