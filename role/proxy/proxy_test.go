package proxy

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
)

const chain = "crescendo-dev-x"

// A vault could lie in a receipt about anything; the client's own count finds
// it out.
func TestReceiptsAreChecked(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(r inference.Receipt) inference.SignedReceipt {
		sum := inference.Digest(r)
		return inference.SignedReceipt{Receipt: r, Signature: ed25519.Sign(private, sum[:])}
	}
	first := inference.Receipt{Chain: chain, Session: 7, Sequence: 1, Requests: 1, Input: 10, Output: 20, Charged: 50}
	fresh := func() *session {
		return &session{id: 7, signKey: public, terms: inference.Session{Escrow: 1000, InputPrice: 1000, OutputPrice: 2000}}
	}
	if err := fresh().check(chain, sign(first), 10, 10, 20); err != nil {
		t.Fatalf("honest receipt: %v", err)
	}
	for name, change := range map[string]func(*inference.Receipt){
		"output":         func(r *inference.Receipt) { r.Output++; r.Charged += 2 },
		"charge":         func(r *inference.Receipt) { r.Charged++ },
		"requests":       func(r *inference.Receipt) { r.Requests++; r.Charged += 2 },
		"session":        func(r *inference.Receipt) { r.Session++ },
		"chain":          func(r *inference.Receipt) { r.Chain = "another" },
		"sequence":       func(r *inference.Receipt) { r.Sequence++ },
		"input":          func(r *inference.Receipt) { r.Input++; r.Charged++ },
		"less than sent": func(r *inference.Receipt) { r.Output-- },
		"above escrow":   func(r *inference.Receipt) { r.Charged = 1001 },
	} {
		r := first
		change(&r)
		if err := fresh().check(chain, sign(r), 10, 10, 20); !errors.Is(err, errReceipt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := fresh().check(chain, sign(first), 9, 10, 20); !errors.Is(err, errReceipt) {
		t.Errorf("prompt counted otherwise here: %v", err)
	}
	forged := sign(first)
	forged.Signature[0] ^= 1
	if err := fresh().check(chain, forged, 10, 10, 20); !errors.Is(err, errReceipt) {
		t.Errorf("forged: %v", err)
	}

	s := fresh()
	s.last = first
	second := inference.Receipt{Chain: chain, Session: 7, Sequence: 2, Previous: inference.Digest(first), Requests: 2, Input: 15, Output: 21, Charged: 57}
	if err := s.check(chain, sign(second), 5, 5, 1); err != nil {
		t.Errorf("second: %v", err)
	}
	if err := s.check(chain, sign(first), 10, 10, 20); !errors.Is(err, errReceipt) {
		t.Errorf("first again: %v", err)
	}
	broken := second
	broken.Previous = crescendo.Hash{1}
	if err := s.check(chain, sign(broken), 5, 5, 1); !errors.Is(err, errReceipt) {
		t.Errorf("another history: %v", err)
	}

	// After an answer that was cut, its tokens may or may not be charged.
	s.maybe, s.unsure = 1, 100
	third := inference.Receipt{Chain: chain, Session: 7, Sequence: 3, Previous: crescendo.Hash{5}, Requests: 3, Input: 25, Output: 80, Charged: 185}
	if err := s.check(chain, sign(third), 5, 5, 1); err != nil {
		t.Errorf("after a cut: %v", err)
	}
	third.Output = 200
	third.Charged = 425
	if err := s.check(chain, sign(third), 5, 5, 1); !errors.Is(err, errReceipt) {
		t.Errorf("charged far more than was cut: %v", err)
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	for address, ok := range map[string]bool{
		"127.0.0.1:0": true, "localhost:80": true, "[::1]:0": true, "127.1.2.3:9": true,
		"0.0.0.0:80": false, ":80": false, "10.0.0.1:80": false, "example.org:80": false, "nonsense": false,
	} {
		if err := loopback(address); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}
