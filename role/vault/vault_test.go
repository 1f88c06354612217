package vault

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/attest"
	"github.com/crescendo-network/crescendo/attest/sim"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/role/vault/calls"
	"github.com/crescendo-network/crescendo/role/vault/proof"
	"github.com/crescendo-network/crescendo/role/vault/wire"
	"github.com/crescendo-network/crescendo/sealing"
)

const chain = attest.DevelopmentPrefix + "x"

func TestStopSequences(t *testing.T) {
	for name, c := range map[string]struct {
		stops   []string
		pieces  []string
		want    string
		stopped bool
	}{
		"none":              {nil, []string{"the ", "sea"}, "the sea", false},
		"within a piece":    {[]string{"END"}, []string{"the END of"}, "the ", true},
		"across pieces":     {[]string{"END"}, []string{"the E", "N", "D of"}, "the ", true},
		"begins and fails":  {[]string{"END"}, []string{"the E", "Nough"}, "the ENough", false},
		"the first counts":  {[]string{"b", "a"}, []string{"xxab"}, "xx", true},
		"overlapping start": {[]string{"aab"}, []string{"aa", "ab"}, "a", true},
		"held to the end":   {[]string{"END"}, []string{"the EN"}, "the EN", false},
		"at the beginning":  {[]string{"the"}, []string{"the sea"}, "", true},
	} {
		a := &reply{request: &prompt.Request{Stop: c.stops}}
		var got strings.Builder
		stopped := false
		for _, p := range c.pieces {
			var visible []byte
			visible, stopped = a.until([]byte(p))
			got.Write(visible)
			if stopped {
				break
			}
		}
		if !stopped {
			got.Write(a.held)
		}
		if got.String() != c.want || stopped != c.stopped {
			t.Errorf("%s: %q, stopped %v", name, got.String(), stopped)
		}
	}
}

// Receipts of a session must pass the ledger's rule; a provisional one leaves
// no trace in the next.
func TestReceiptsFollowTheRule(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{record: inference.Session{Escrow: 1000, InputPrice: 1500, OutputPrice: 700, VaultKey: public}}
	if n, ok := s.affordable(10); !ok || n != (1000-15)*1000/700 {
		t.Errorf("affordable %d %v", n, ok)
	}
	if _, ok := s.affordable(667); ok {
		t.Error("a prompt above the escrow is affordable")
	}
	provisional, err := s.receipt(chain, 7, private, 3, 4, false)
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.receipt(chain, 7, private, 3, 9, true)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.receipt(chain, 7, private, 1, 1, true)
	if err != nil {
		t.Fatal(err)
	}
	if provisional.Receipt.Sequence != 1 || first.Receipt.Sequence != 1 || second.Receipt.Previous != inference.Digest(first.Receipt) {
		t.Errorf("sequences %d %d %d", provisional.Receipt.Sequence, first.Receipt.Sequence, second.Receipt.Sequence)
	}
	// ceil(3*1.5)+ceil(9*.7), then ceil(1.5)+ceil(.7)
	if first.Receipt.Charged != 12 || second.Receipt.Charged != 15 || second.Receipt.Output != 10 {
		t.Errorf("charged %d, %d", first.Receipt.Charged, second.Receipt.Charged)
	}
	if _, err := s.receipt(chain, 7, private, 100_000, 0, true); crescendo.CodeOf(err) != crescendo.CodeFunds {
		t.Errorf("above the escrow: %v", err)
	}
}

// host runs a vault in this process and returns the host's end.
func host(t *testing.T, serve wire.Handler) *wire.Conn {
	t.Helper()
	platform, err := sim.NewPlatform(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	ourQuotes, theirQuotes := net.Pipe()
	go func() {
		report := make([]byte, sim.ReportSize)
		for {
			if _, err := ourQuotes.Read(report); err != nil {
				return
			}
			body, err := platform.Quote(make([]byte, sim.MeasurementSize), report)
			if err != nil {
				return
			}
			ourQuotes.Write(append([]byte{byte(len(body) >> 8), byte(len(body))}, body...))
		}
	}()
	go Serve(theirs, theirQuotes, nil)
	c := wire.New(ours, true, serve)
	t.Cleanup(func() { c.Close(); ourQuotes.Close() })
	return c
}

func startArgs(t *testing.T) (calls.StartArgs, proof.Voucher) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	voucher := proof.NewVoucher(chain, key)
	return calls.StartArgs{Chain: chain, Operator: "cresc1operator", Trust: voucher.Trust()}, voucher
}

func TestVaultStartsOnce(t *testing.T) {
	c := host(t, nil)
	for _, method := range []string{calls.Seal, calls.Load, calls.Nonce, calls.State, calls.Ask} {
		if err := c.Do(t.Context(), method, calls.RungArgs{Rung: 1}, nil); crescendo.CodeOf(err) != crescendo.CodeWrongTime {
			t.Errorf("%s before the start: %v", method, err)
		}
	}
	args, _ := startArgs(t)
	wrong := args
	wrong.Chain = "crescendo-1"
	if err := c.Do(t.Context(), calls.Start, wrong, nil); crescendo.CodeOf(err) != crescendo.CodeForbidden {
		t.Errorf("trust in a key on a real chain: %v", err)
	}
	var id calls.Identity
	if err := c.Do(t.Context(), calls.Start, args, &id); err != nil {
		t.Fatal(err)
	}
	binding := sealing.EvidenceBinding(chain, args.Operator, id.SignKey, id.SealKey, crescendo.Hash{})
	if _, err := attest.AppraiseVouched(id.Evidence, binding, true, chain, 0); err != nil {
		t.Errorf("evidence: %v", err)
	}
	if err := c.Do(t.Context(), calls.Start, args, nil); crescendo.CodeOf(err) != crescendo.CodeDuplicate {
		t.Errorf("second start: %v", err)
	}
	if err := c.Do(t.Context(), "debug", args, nil); crescendo.CodeOf(err) != crescendo.CodeNotFound {
		t.Errorf("unknown method: %v", err)
	}
}

// A host that lies about the ledger gets nothing done.
func TestVaultBelievesNoUnprovedState(t *testing.T) {
	for name, prove := range map[string]func(v, other proof.Voucher, a calls.ProveArgs) []byte{
		"no proof": func(_, _ proof.Voucher, _ calls.ProveArgs) []byte { return []byte("trust me") },
		"another ledger's proof": func(_, other proof.Voucher, a calls.ProveArgs) []byte {
			b, _ := other.Bundle(absent{}, 5, a.Keys)
			return b
		},
		"proof of another key": func(v, _ proof.Voucher, a calls.ProveArgs) []byte {
			b, _ := v.Bundle(absent{}, 5, [][]byte{[]byte("other")})
			return b
		},
		"state without the vault": func(v, _ proof.Voucher, a calls.ProveArgs) []byte {
			b, _ := v.Bundle(absent{}, 5, a.Keys)
			return b
		},
	} {
		args, voucher := startArgs(t)
		_, other := startArgs(t)
		c := host(t, func(_ context.Context, method string, raw []byte, s *wire.Stream) error {
			var a calls.ProveArgs
			if err := canon.Decode(raw, &a); method != calls.Prove || err != nil {
				t.Errorf("%s: vault asks for %s", name, method)
				return err
			}
			return s.Send(prove(voucher, other, a))
		})
		var id calls.Identity
		if err := c.Do(t.Context(), calls.Start, args, &id); err != nil {
			t.Fatal(err)
		}
		if err := c.Do(t.Context(), calls.Seal, calls.SealArgs{Rung: 1}, nil); err == nil {
			t.Errorf("%s: sealed", name)
		}
		if err := c.Do(t.Context(), calls.Load, calls.RungArgs{Rung: 1}, nil); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}

// absent is a state with nothing in it.
type absent struct{ provedReader }

func (absent) Get([]byte) ([]byte, error) { return nil, kv.ErrNotFound }
