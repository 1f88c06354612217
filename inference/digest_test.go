package inference_test

import (
	"encoding/hex"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
)

// Vaults, proxies and auditors in other languages must arrive at the same
// bytes; the key is the seed 01 00 ... 00.
func TestReceiptGolden(t *testing.T) {
	r := inference.Receipt{
		Chain: "crescendo-dev-1", Session: 3, Sequence: 2, Previous: crescendo.Hash{0: 0xab, 31: 0xcd},
		Requests: 2, Input: 300, Output: 150, Charged: 91,
	}
	signed := sign(key(1), r)
	if got, want := inference.Digest(r).String(), "827f3bf6f0fc8e1f136da0df4d9e9412b426e14019245201017445f5e29a0576"; got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	if got, want := hex.EncodeToString(signed.Signature), "70a1a1c54c3cfbd3d1d1c5fa0e40a9b7b71537ded9a1f10495cd2dbfafdad8768fdea1141b0ca1cca95d296dc62fb9fe1028b3c74ef0bd422a05fc0d48a1f007"; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}
