package address

import (
	"errors"
	"fmt"
	"strings"
)

// BIP-173, the variant with checksum constant 1, as Cosmos uses it.

const (
	alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	maxText  = 90
	checksum = 6 // characters
)

// ErrBech32 means a text is not the bech32 encoding of any bytes.
var ErrBech32 = errors.New("not bech32")

// Encode returns the bech32 form of data under a lower-case human-readable
// part.
func Encode(hrp string, data []byte) string {
	groups := regroup(data, 8, 5)
	sum := polymod(append(append(expand(hrp), groups...), make([]byte, checksum)...)) ^ 1
	for i := range checksum {
		groups = append(groups, byte(sum>>(5*(checksum-1-i)))&31)
	}
	var b strings.Builder
	b.WriteString(hrp)
	b.WriteByte('1')
	for _, g := range groups {
		b.WriteByte(alphabet[g])
	}
	return b.String()
}

// Decode reads what Encode wrote. Upper case is refused: an account has one
// spelling.
func Decode(text string) (hrp string, data []byte, err error) {
	if len(text) > maxText {
		return "", nil, fmt.Errorf("%d characters: %w", len(text), ErrBech32)
	}
	sep := strings.LastIndexByte(text, '1')
	if sep < 1 || sep+1+checksum > len(text) {
		return "", nil, fmt.Errorf("no prefix or no checksum: %w", ErrBech32)
	}
	hrp = text[:sep]
	for _, c := range []byte(hrp) {
		if c < 33 || c > 126 || (c >= 'A' && c <= 'Z') {
			return "", nil, fmt.Errorf("character %q in the prefix: %w", c, ErrBech32)
		}
	}
	groups := make([]byte, 0, len(text)-sep-1)
	for _, c := range []byte(text[sep+1:]) {
		g := strings.IndexByte(alphabet, c)
		if g < 0 {
			return "", nil, fmt.Errorf("character %q: %w", c, ErrBech32)
		}
		groups = append(groups, byte(g))
	}
	if polymod(append(expand(hrp), groups...)) != 1 {
		return "", nil, fmt.Errorf("checksum does not match, mistyped?: %w", ErrBech32)
	}
	groups = groups[:len(groups)-checksum]
	data = regroup(groups, 5, 8)
	// Left-over bits must be a padding of fewer than five zeros.
	if again := regroup(data, 8, 5); string(again) != string(groups) {
		return "", nil, fmt.Errorf("bad padding: %w", ErrBech32)
	}
	return hrp, data, nil
}

func polymod(values []byte) uint32 {
	generator := [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3}
	sum := uint32(1)
	for _, v := range values {
		top := sum >> 25
		sum = (sum&0x1ffffff)<<5 ^ uint32(v)
		for i, g := range generator {
			if top>>i&1 == 1 {
				sum ^= g
			}
		}
	}
	return sum
}

func expand(hrp string) []byte {
	out := make([]byte, 0, 2*len(hrp)+1)
	for _, c := range []byte(hrp) {
		out = append(out, c>>5)
	}
	out = append(out, 0)
	for _, c := range []byte(hrp) {
		out = append(out, c&31)
	}
	return out
}

// regroup turns groups of from bits into groups of to bits, most significant
// first. Widening pads the last group with zeros; narrowing drops what does
// not fill one.
func regroup(in []byte, from, to uint) []byte {
	var out []byte
	var acc uint32
	var bits uint
	for _, g := range in {
		acc = (acc<<from | uint32(g)) & (1<<(from+to) - 1)
		for bits += from; bits >= to; {
			bits -= to
			out = append(out, byte(acc>>bits)&byte(1<<to-1))
		}
	}
	if bits > 0 && to < from {
		out = append(out, byte(acc<<(to-bits))&byte(1<<to-1))
	}
	return out
}
