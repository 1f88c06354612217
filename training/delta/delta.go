// Package delta codes vectors as long as a model (what a trainer learned in a
// round, what an aggregator adds to the base) into payloads small enough to be
// published every round, and back.
//
// Three codecs share one header: Q2 spends two bits per parameter (a sign and
// one of two magnitudes per chunk), Int8 one byte, F32 four. Decode accepts
// exactly one payload for every vector a payload can express, so the hash of a
// payload is the hash of what it means. The format is docs/formats/delta.md.
//
// The package keeps no error feedback and adds nothing up: training/outer does.
// Everything is numeric profile R0.
package delta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine/r0"
	"lukechampine.com/blake3"
)

// Errors that callers branch on.
var (
	// ErrMalformed means that the bytes are no payload for this codec and
	// layout: wrong size, header, or not the canonical form.
	ErrMalformed = errors.New("malformed delta")
	// ErrNotFinite means that a vector holds NaN or an infinity.
	ErrNotFinite = errors.New("number is not finite")
	// ErrUnknownCodec means that no codec has this name.
	ErrUnknownCodec = errors.New("unknown delta codec")
)

// Codec is a way to write a vector. Its number stands in the header.
type Codec uint16

// The codecs.
const (
	F32  Codec = 1
	Int8 Codec = 2
	Q2   Codec = 3
)

var codecNames = map[Codec]string{F32: "f32", Int8: "int8", Q2: "q2"}

// String returns the name that programmes use.
func (c Codec) String() string {
	if name, ok := codecNames[c]; ok {
		return name
	}
	return fmt.Sprintf("codec-%d", uint16(c))
}

// Parse returns the codec of a name.
func Parse(name string) (Codec, error) {
	for c, n := range codecNames {
		if n == name {
			return c, nil
		}
	}
	return 0, fmt.Errorf("%w %q, want q2, int8 or f32", ErrUnknownCodec, name)
}

// Chunk is how many elements share their scales. Chunks do not cross tensors;
// a tensor's last one may be short.
const Chunk = 4096

// Bounds of a layout, far above any model in use.
const (
	MaxTensors    = 1 << 20
	MaxParameters = 1 << 41
)

// A Layout says where tensors begin and end in the flat vector.
type Layout struct {
	lengths []int
	total   int
	chunks  int
	digest  crescendo.Hash
}

// NewLayout makes a layout from the tensors' lengths in canonical order.
func NewLayout(lengths []int) (Layout, error) {
	if len(lengths) == 0 || len(lengths) > MaxTensors {
		return Layout{}, fmt.Errorf("delta layout: %d tensors, want 1 to %d", len(lengths), MaxTensors)
	}
	l := Layout{lengths: append([]int(nil), lengths...)}
	h := blake3.New(32, nil)
	h.Write([]byte("crescendo/training/delta/layout/v1\x00"))
	for i, n := range lengths {
		if n < 1 || n > MaxParameters-l.total {
			return Layout{}, fmt.Errorf("delta layout: tensor %d has %d elements, want 1 to %d in all", i, n, MaxParameters)
		}
		l.total += n
		l.chunks += (n + Chunk - 1) / Chunk
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	}
	h.Sum(l.digest[:0])
	return l, nil
}

// Parameters is the number of elements of a vector.
func (l Layout) Parameters() int { return l.total }

// Digest names the layout; it stands in the header of every payload.
func (l Layout) Digest() crescendo.Hash { return l.digest }

// each calls f for every chunk, in order, until it fails.
func (l Layout) each(f func(lo, hi int) error) error {
	offset := 0
	for _, n := range l.lengths {
		for lo := offset; lo < offset+n; lo += Chunk {
			if err := f(lo, min(lo+Chunk, offset+n)); err != nil {
				return err
			}
		}
		offset += n
	}
	return nil
}

// The header: magic, version, codec, four zero bytes, parameters, layout.
const (
	magic      = "CRSDELTA"
	version    = 1
	HeaderSize = 56
)

// Size is the exact length of every payload of a codec and layout, 0 for an
// unknown codec.
func (c Codec) Size(l Layout) int {
	switch c {
	case F32:
		return HeaderSize + 4*l.total
	case Int8:
		return HeaderSize + l.chunks + l.total
	case Q2:
		n := HeaderSize + 2*l.chunks
		for _, t := range l.lengths {
			n += t/Chunk*(Chunk/4) + (t%Chunk+3)/4
		}
		return n
	}
	return 0
}

func (c Codec) header(l Layout) []byte {
	b := make([]byte, 0, c.Size(l))
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint16(b, version)
	b = binary.LittleEndian.AppendUint16(b, uint16(c))
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(l.total))
	return append(b, l.digest[:]...)
}

// Encode writes v. It fails with ErrNotFinite if v holds NaN or an infinity.
func Encode(c Codec, l Layout, v []float32) ([]byte, error) {
	size := c.Size(l)
	if size == 0 {
		return nil, fmt.Errorf("encode delta: %w %d", ErrUnknownCodec, c)
	}
	if len(v) != l.total {
		return nil, fmt.Errorf("encode delta: %d elements, layout has %d", len(v), l.total)
	}
	if !r0.Finite(v) {
		return nil, fmt.Errorf("encode delta: %w", ErrNotFinite)
	}
	b := c.header(l)
	err := l.each(func(lo, hi int) error {
		switch c {
		case F32:
			b = appendF32(b, v[lo:hi])
		case Int8:
			b = appendInt8(b, v[lo:hi])
		case Q2:
			b = appendQ2(b, v[lo:hi])
		}
		return nil
	})
	return b, err
}

// Decode reads a payload of codec c into dst. It accepts the canonical form
// only; its errors wrap ErrMalformed, and dst is then unspecified.
func Decode(c Codec, l Layout, data []byte, dst []float32) error {
	size := c.Size(l)
	switch {
	case size == 0:
		return fmt.Errorf("decode delta: %w %d", ErrUnknownCodec, c)
	case len(dst) != l.total:
		return fmt.Errorf("decode delta: room for %d elements, layout has %d", len(dst), l.total)
	case len(data) != size:
		return fmt.Errorf("decode delta: %w: %d bytes, want %d", ErrMalformed, len(data), size)
	case string(data[:HeaderSize]) != string(c.header(l)):
		return fmt.Errorf("decode delta: %w: header is not that of %s for this model", ErrMalformed, c)
	}
	rest := data[HeaderSize:]
	return l.each(func(lo, hi int) error {
		var used int
		ok := false
		switch c {
		case F32:
			used, ok = decodeF32(rest, dst[lo:hi])
		case Int8:
			used, ok = decodeInt8(rest, dst[lo:hi])
		case Q2:
			used, ok = decodeQ2(rest, dst[lo:hi])
		}
		if !ok {
			return fmt.Errorf("decode delta: %w: chunk at element %d is not canonical", ErrMalformed, lo)
		}
		rest = rest[used:]
		return nil
	})
}

func appendF32(b []byte, v []float32) []byte {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func decodeF32(data []byte, dst []float32) (int, bool) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return 4 * len(dst), r0.Finite(dst)
}
