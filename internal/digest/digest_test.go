package digest

import (
	"bytes"
	"testing"

	"lukechampine.com/blake3"

	"github.com/crescendo-network/crescendo"
)

func TestSumIsBLAKE3OfTheWrittenOutForm(t *testing.T) {
	written := []byte("crescendo/test\x00" +
		"\x00\x00\x00\x00\x00\x00\x00\x02ab" +
		"\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x00\x00\x00\x00\x01c")
	want := crescendo.Hash(blake3.Sum256(written))
	if got := Sum("crescendo/test", []byte("ab"), nil, []byte("c")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSumGolden(t *testing.T) {
	for _, c := range []struct {
		domain string
		parts  [][]byte
		want   string
	}{
		{"crescendo/test", nil, "487ceb0939d230a07e1df0f880fad0c74de1f27a8673eb24324c7553c70464d9"},
		{"crescendo/test", [][]byte{{}}, "335560bf0b4c22fd3d0d7293754b9a89f003b9985dfbb0e68c9f2ca3574f0ae2"},
		{"crescendo/test", [][]byte{bytes.Repeat([]byte{0xa5}, 5000)}, "6723256e728b69874c46151877ab6d242ceacb513ec874a91d1472895e0de7f8"},
	} {
		if got := Sum(c.domain, c.parts...).String(); got != c.want {
			t.Errorf("Sum(%q, %d parts) = %s, want %s", c.domain, len(c.parts), got, c.want)
		}
	}
}

func TestSumSeparates(t *testing.T) {
	seen := map[crescendo.Hash]string{}
	for name, sum := range map[string]crescendo.Hash{
		"ab|c":         Sum("d", []byte("ab"), []byte("c")),
		"a|bc":         Sum("d", []byte("a"), []byte("bc")),
		"abc":          Sum("d", []byte("abc")),
		"abc|":         Sum("d", []byte("abc"), nil),
		"other domain": Sum("e", []byte("abc")),
	} {
		if other, ok := seen[sum]; ok {
			t.Errorf("%s and %s have the same digest", name, other)
		}
		seen[sum] = name
	}
}
