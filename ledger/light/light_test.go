package light

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
)

type vector struct {
	AppHash Hex       `json:"app_hash"`
	Key     Hex       `json:"key"`
	Value   Hex       `json:"value"`
	Ops     []ProofOp `json:"ops"`
}

// vectors were made by a real store; see the tests in ledger/cosmos.
func vectors(t testing.TB) []vector {
	raw, err := os.ReadFile("testdata/proofs.json")
	if err != nil {
		t.Fatal(err)
	}
	var out []vector
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestProofVectors(t *testing.T) {
	for _, v := range vectors(t) {
		present := len(v.Value) > 0
		value := VerifyValue(v.AppHash, "crescendo", v.Key, v.Value, v.Ops)
		absence := VerifyAbsence(v.AppHash, "crescendo", v.Key, v.Ops)
		if (value == nil) != present || (absence == nil) == present {
			t.Errorf("%s: value %v, absence %v", v.Key, value, absence)
		}
		for _, err := range []error{value, absence} {
			if err != nil && !errors.Is(err, ErrInvalid) {
				t.Errorf("%v is not ErrInvalid", err)
			}
		}
	}
}

// Whatever a proof holds, it proves nothing about another key and does not
// panic.
func FuzzProof(f *testing.F) {
	vs := vectors(f)
	for _, v := range vs {
		f.Add(v.Ops[0].Data, v.Ops[1].Data)
	}
	app := vs[0].AppHash
	f.Fuzz(func(t *testing.T, inner, outer []byte) {
		key := []byte("k0006") // present, so that its absence can never be proved
		ops := []ProofOp{{"ics23:iavl", key, inner}, {"ics23:simple", []byte("crescendo"), outer}}
		if VerifyAbsence(app, "crescendo", key, ops) == nil {
			t.Errorf("absence of a present key was proved by %x %x", inner, outer)
		}
		if VerifyValue(app, "crescendo", key, []byte("forged"), ops) == nil {
			t.Errorf("a forged value was proved by %x %x", inner, outer)
		}
	})
}

func sample() Block {
	return Block{
		Signed: SignedHeader{
			Header: Header{ChainID: "c", Height: 3, Time: Time{1, 2}, AppHash: Hex{1}, LastBlockID: BlockID{Hash: Hex{9}, Parts: Parts{Total: 1}}},
			Commit: Commit{Height: 3, Round: 1, Signatures: []Signature{{Flag: 2, Address: Hex{7}, Time: Time{-5, 0}, Signature: []byte{1}}}},
		},
		Validators: []Validator{{Address: Hex{7}, Key: PublicKey{ed25519Type, []byte{4}}, Power: 10}},
		Txs:        [][]byte{{1, 2}, {}},
		Results: []Result{
			{GasUsed: 5, Events: []crescendo.Event{crescendo.NewEvent("funding.contributed", 1, "amount", 5)}},
			{Code: 7, Codespace: "crescendo", Log: "not enough"},
		},
		EndEvents: []crescendo.Event{{Kind: "a.b"}},
	}
}

func TestBlockRoundTrip(t *testing.T) {
	for _, b := range []Block{{}, sample()} {
		raw := b.Encode()
		got, err := DecodeBlock(raw)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(b, got, cmp.Transformer("nil", func(b []byte) string { return string(b) })); d != "" {
			t.Error(d)
		}
		if _, err := DecodeBlock(append(raw, 0x2a, 0)); err == nil && len(b.EndEvents) == 0 {
			t.Log("an empty event more is another block")
		}
		if _, err := DecodeBlock(append(raw, 0x32, 0)); err == nil {
			t.Error("an unknown field was accepted")
		}
	}
	if err := sample().Verify(); !errors.Is(err, ErrInvalid) {
		t.Errorf("transactions that are not the header's: %v", err)
	}
}

func FuzzDecodeBlock(f *testing.F) {
	f.Add(sample().Encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := DecodeBlock(raw)
		if err != nil {
			return
		}
		if string(b.Encode()) != string(raw) {
			t.Error("decoded what does not encode to itself")
		}
		b.ResultsHash()
		if b.Verify() == nil {
			_ = checkCommit(b.Signed, b.Validators) // must not panic
		}
	})
}
