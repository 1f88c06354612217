package sealing

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
)

func blockHash(h crescendo.Height) crescendo.Hash {
	return digest.Sum("test/block", []byte{byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h)})
}

// grown is a state after so many blocks.
func grown(t *testing.T, blocks crescendo.Height) *kv.Memory {
	t.Helper()
	s := kv.NewMemory()
	for h := crescendo.Height(1); h <= blocks; h++ {
		past := blockHash(h - 1)
		if err := KeepAnchor(crescendo.Env{Height: h, Beacon: digest.Plain(past[:])}, s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// A genuine vault that believes a forged chain would deal keys to forged
// keepers, so it is not even registered.
func TestVaultOfAForgedChainIsRefused(t *testing.T) {
	s := grown(t, 3*AnchorEvery)
	measurement := []byte("good")
	if err := Measurements.Set(s, Measurement{}, measurement); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		trust Trust
		want  string // of the refusal
	}{
		{"first block", Trust{TrustBlock, 1, blockHash(1)}, ""},
		{"remembered block", Trust{TrustBlock, 2 * AnchorEvery, blockHash(2 * AnchorEvery)}, ""},
		{"forged first block", Trust{TrustBlock, 1, blockHash(2)}, "not this ledger's"},
		{"forged later block", Trust{TrustBlock, 2 * AnchorEvery, blockHash(7)}, "not this ledger's"},
		{"block in between", Trust{TrustBlock, 5, blockHash(5)}, "not one of those remembered"},
		{"block to come", Trust{TrustBlock, 1000 * AnchorEvery, blockHash(1)}, "not one of those remembered"},
		{"no height", Trust{TrustBlock, 0, blockHash(0)}, "not one of those remembered"},
		{"no trust", Trust{}, "does not say which ledger"},
		{"unknown kind", Trust{Kind: "faith"}, "does not say which ledger"},
	} {
		appraise := func([]byte, []byte, bool, string, int64) (Appraisal, error) {
			return Appraisal{Kind: "sim", Measurement: measurement, Trust: c.trust}, nil
		}
		m := &MsgRegisterVault{Sender: "cresc1olu", Evidence: []byte{1}, SignKey: bytes.Repeat([]byte{1}, ed25519.PublicKeySize), SealKey: []byte(c.name)}
		_, err := RegisterVault(crescendo.Env{Height: 3*AnchorEvery + 1}, s, m, appraise, true)
		id := VaultID(m.SignKey, m.SealKey)
		v, found := Vaults.Get(s, id[:])
		if c.want == "" {
			if err != nil || found != nil || v.Trust != c.trust {
				t.Errorf("%s: %v, %+v", c.name, err, v)
			}
			continue
		}
		if crescendo.CodeOf(err) != crescendo.CodeForbidden || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if found == nil {
			t.Errorf("%s: registered all the same", c.name)
		}
	}
}

// What is remembered is bounded, and what Anchored names is always among it.
func TestAnchorsAreBounded(t *testing.T) {
	const newest = 3 * keepAnchors * AnchorEvery
	s := grown(t, newest)
	all, err := Anchors.List(s, nil, kv.MaxPage)
	if err != nil || len(all) > keepAnchors+1 {
		t.Errorf("%d anchors, %v", len(all), err)
	}
	for _, h := range []crescendo.Height{1, Anchored(newest - 1), Anchored(newest - keepAnchors*AnchorEvery + AnchorEvery)} {
		hash := blockHash(h)
		if err := checkTrust(s, Trust{TrustBlock, h, hash}); err != nil {
			t.Errorf("block %d: %v", h, err)
		}
	}
	for h, want := range map[crescendo.Height]crescendo.Height{0: 1, 1: 1, AnchorEvery - 1: 1, AnchorEvery: AnchorEvery, AnchorEvery + 1: AnchorEvery} {
		if got := Anchored(h); got != want {
			t.Errorf("Anchored(%d) = %d, want %d", h, got, want)
		}
	}
}
