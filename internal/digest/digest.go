// Package digest computes the domain-separated BLAKE3 hashes that rules,
// seats and auditors must agree on.
//
// It hashes values that are already encoded (see internal/canon). It does not
// hash files: the name of a blob is plain BLAKE3-256 of its bytes.
package digest

import (
	"encoding/binary"

	"lukechampine.com/blake3"

	"github.com/crescendo-network/crescendo"
)

// Plain returns BLAKE3-256 of data and nothing else, as blobs and beacons are
// named.
func Plain(data []byte) crescendo.Hash { return blake3.Sum256(data) }

// Sum returns BLAKE3-256 of the domain, a zero byte, and each part preceded
// by its length in eight big-endian bytes. The lengths make the parts
// unambiguous; the domain keeps a digest made for one purpose from being
// taken for another. A domain must not contain a zero byte.
func Sum(domain string, parts ...[]byte) crescendo.Hash {
	h := blake3.New(32, nil)
	h.Write([]byte(domain))
	h.Write([]byte{0})
	var length [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write(p)
	}
	var sum crescendo.Hash
	h.Sum(sum[:0])
	return sum
}
