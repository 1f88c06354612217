package gguf

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/crescendo-network/crescendo/modelfile/half"
)

// appendNumbers stores whole blocks of v.
func appendNumbers(b []byte, t Type, v []float32) ([]byte, error) {
	switch t {
	case F32:
		for _, f := range v {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
		}
	case F16:
		for _, f := range v {
			h := half.FromFloat32(f)
			if h&0x7fff == 0x7c00 && !math.IsInf(float64(f), 0) {
				return nil, fmt.Errorf("%v does not fit in 16 bits", f)
			}
			b = binary.LittleEndian.AppendUint16(b, h)
		}
	case Q8:
		var err error
		for len(v) > 0 && err == nil {
			b, err = appendQ8(b, v[:32])
			v = v[32:]
		}
		return b, err
	}
	return b, nil
}

// appendQ8 stores one block as GGML does: the scale maps the largest magnitude to
// 127, numbers are rounded to nearest with ties away from zero, and the scale is
// narrowed only afterwards.
func appendQ8(b []byte, v []float32) ([]byte, error) {
	var largest float32
	for _, f := range v {
		largest = max(largest, float32(math.Abs(float64(f)))) // NaN stays
	}
	scale := largest / 127
	narrow := half.FromFloat32(scale)
	if !(scale < 65520) {
		return nil, fmt.Errorf("a block with %v has no 16-bit scale", largest)
	}
	var inverse float32
	if 1/scale <= math.MaxFloat32 { // else zeros are written, as which the block is read in any case
		inverse = 1 / scale
	}
	b = binary.LittleEndian.AppendUint16(b, narrow)
	for _, f := range v {
		q := math.Round(float64(f * inverse))
		b = append(b, byte(int8(min(127, max(-127, q)))))
	}
	return b, nil
}

// readNumbers is the inverse of appendNumbers; b holds exactly dst's blocks.
func readNumbers(dst []float32, t Type, b []byte) {
	switch t {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = half.Float32(binary.LittleEndian.Uint16(b[2*i:]))
		}
	case Q8:
		for i := range dst {
			block := b[i/32*34:]
			dst[i] = half.Float32(binary.LittleEndian.Uint16(block)) * float32(int8(block[2+i%32]))
		}
	}
}
