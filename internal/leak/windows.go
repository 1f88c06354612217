package leak

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// windowSize is the size of a window of weights in bytes.
const windowSize = 16

// formats are the ways in which weights might be written down.
var formats = []struct {
	name   string
	encode func(float32) []byte
}{
	{"f32", func(v float32) []byte { return binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)) }},
	{"bf16", func(v float32) []byte {
		b := math.Float32bits(v)
		return binary.LittleEndian.AppendUint16(nil, uint16((b+0x7fff+b>>16&1)>>16))
	}},
	{"bf16 cut", func(v float32) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(math.Float32bits(v)>>16)) }},
	{"f16", func(v float32) []byte { return binary.LittleEndian.AppendUint16(nil, Half(v)) }},
}

// Windows takes windows of the sealed weights in every format, named
// "weights FORMAT POSITION", most of whose values differ in that format from
// those of the public weights. It fails if it finds fewer than want in a format.
func Windows(sealed, public []float32, want int) (map[string][]byte, error) {
	if len(sealed) != len(public) {
		return nil, fmt.Errorf("%d sealed weights and %d public ones", len(sealed), len(public))
	}
	out := map[string][]byte{}
	for _, f := range formats {
		n := windowSize / len(f.encode(0))
		taken := 0
		for at := 0; at+n <= len(sealed) && taken < want; at += max(n, len(sealed)/(8*want)) {
			var window []byte
			differ := 0
			for i := at; i < at+n; i++ {
				e := f.encode(sealed[i])
				if window = append(window, e...); !bytes.Equal(e, f.encode(public[i])) {
					differ++
				}
			}
			if differ >= n/2+1 {
				out[fmt.Sprintf("weights %s %d", f.name, at)] = window
				taken++
			}
		}
		if taken < want {
			return nil, fmt.Errorf("only %d windows of %s differ from the public weights, want %d", taken, f.name, want)
		}
	}
	return out, nil
}

// Half converts to IEEE half precision. Infinities are not handled: weights
// are small.
func Half(v float32) uint16 {
	b := math.Float32bits(v)
	sign, exp, frac := uint16(b>>16&0x8000), int(b>>23&0xff)-127+15, b&0x7fffff
	if exp <= 0 {
		if exp < -10 {
			return sign
		}
		frac |= 0x800000
		shift := uint(14 - exp)
		h := frac >> shift
		if rest := frac & (1<<shift - 1); rest > 1<<(shift-1) || (rest == 1<<(shift-1) && h&1 == 1) {
			h++
		}
		return sign | uint16(h)
	}
	h := uint32(exp)<<10 | frac>>13
	if rest := frac & 0x1fff; rest > 0x1000 || (rest == 0x1000 && h&1 == 1) {
		h++
	}
	return sign | uint16(h)
}
