package corpus

import (
	"compress/gzip"
	"math"
	"math/bits"

	"github.com/crescendo-network/crescendo"
)

// lineStart is the byte taken to stand before a document.
const lineStart = '\n'

// bigram counts pairs of adjacent bytes.
type bigram struct {
	pairs [256][256]uint64
}

func (m *bigram) add(text []byte) {
	prev := byte(lineStart)
	for _, b := range text {
		m.pairs[prev][b]++
		prev = b
	}
}

// BigramMicroBits returns what a byte-bigram model trained on the documents of
// train needs for those of heldOut, in millionths of a bit per byte: the
// baseline a language model has to beat. With c counting adjacent bytes, each
// document preceded by a line feed,
//
//	p(b|a) = (c(a,b) + 1) / (c(a) + 256)
//
// Logarithms are computed in integers: every machine gets the same number.
func BigramMicroBits(train, heldOut [][]byte) int64 {
	var model, seen bigram
	for _, text := range train {
		model.add(text)
	}
	for _, text := range heldOut {
		seen.add(text)
	}
	var hi, lo, n uint64 // hi:lo is in units of 2^-32 bits
	for a := range 256 {
		var total uint64 = 256
		for _, c := range model.pairs[a] {
			total += c
		}
		for b, times := range seen.pairs[a] {
			if times == 0 {
				continue
			}
			n += times
			cost := log2(total) - log2(model.pairs[a][b]+1)
			productHi, productLo := bits.Mul64(times, cost)
			var carry uint64
			lo, carry = bits.Add64(lo, productLo, 0)
			hi, _ = bits.Add64(hi, productHi, carry)
		}
	}
	if n == 0 {
		return 0
	}
	// hi:lo / 2^32 * 10^6 / n, without leaving 128 bits: the mean first.
	mean, _ := bits.Div64(hi, lo, n) // at most 2^6 bits * 2^32
	return int64((mean*1_000_000 + 1<<31) >> 32)
}

// log2 returns the binary logarithm of x, which must not be zero, in units of
// 2^-32, rounded down.
func log2(x uint64) uint64 {
	n := bits.Len64(x) - 1
	result := uint64(n)
	m := x << (63 - n) // 1 <= m < 2, with 63 fractional bits
	for range 32 {
		// Squaring doubles the logarithm: its next bit is whether 2 is reached.
		hi, lo := bits.Mul64(m, m)
		result <<= 1
		if hi>>63 == 1 {
			result |= 1
			m = hi
		} else {
			m = hi<<1 | lo>>63
		}
	}
	return result
}

// MicroBitsPerByte turns a loss, summed over tokens, into millionths of a bit
// per byte of the text those tokens stand for, rounded down. It returns 0 for
// losses and sizes that make no sense.
func MicroBitsPerByte(loss crescendo.MicroNats, textBytes int64) int64 {
	if loss <= 0 || textBytes <= 0 {
		return 0
	}
	// log2(e) = 1.442695040888963407...
	const numerator, denominator = 1_442_695_040_888_963_407, 1_000_000_000_000_000_000
	hi, lo := bits.Mul64(uint64(loss), numerator)
	micro, _ := bits.Div64(hi, lo, denominator) // hi < denominator as loss < 2^63 and log2(e) < 2
	return int64(min(micro/uint64(textBytes), math.MaxInt64))
}

// gzipMicroBits returns what gzip -9 needs for the documents, in millionths
// of a bit per byte: a second yardstick, for people. It depends on the version
// of Go's compressor and so enters no manifest.
func gzipMicroBits(texts [][]byte) int64 {
	var out, in countingWriter
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return 0
	}
	for _, text := range texts {
		in += countingWriter(len(text))
		if _, err := z.Write(text); err != nil {
			return 0
		}
	}
	if err := z.Close(); err != nil || in == 0 {
		return 0
	}
	return int64(out) * 8_000_000 / int64(in)
}

type countingWriter int64

func (c *countingWriter) Write(b []byte) (int, error) {
	*c += countingWriter(len(b))
	return len(b), nil
}
