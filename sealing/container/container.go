// Package container is the file format of sealed weights: chunks of 1 MiB under
// AES-256-GCM, readable at any offset without reading the rest, and a public
// header. Chunks cannot be altered, swapped, moved between containers or cut
// off at the end without notice.
//
// The header says nothing about the plaintext but its length: a hash of it
// would let anybody confirm a guess. The package does not know what the
// plaintext is, and it does not handle who may have the key.
package container

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/sealing/keyshare"
)

// Format constants; see docs/formats/container.md.
const (
	Magic     = "CRSEAL1\n"
	Cipher    = "aes-256-gcm"
	ChunkSize = 1 << 20
	overhead  = 16 // GCM tag of each chunk
	maxHeader = 4 << 10
	maxSize   = 1 << 43
	prefix    = len(Magic) + 4
)

// ErrCorrupt means that a container is malformed, altered, cut short, or
// opened with the wrong key. Which of them cannot be told apart.
var ErrCorrupt = errors.New("container is corrupt or the key is wrong")

// Header is the public part of a container. All of it is authenticated.
type Header struct {
	Version uint32           `pb:"1"` // of the format: 1
	Cipher  string           `pb:"2"`
	Chunk   uint32           `pb:"3"` // plaintext bytes per chunk
	Size    uint64           `pb:"4"` // plaintext bytes in all
	Salt    crescendo.Hash   `pb:"5"` // random
	Chain   string           `pb:"6"`
	Rung    crescendo.RungID `pb:"7"`
	Seal    uint32           `pb:"8"` // version of the rung's sealed model
	Base    crescendo.Hash   `pb:"9"` // the last public checkpoint
}

func (h Header) check() error {
	switch {
	case h.Version != 1:
		return fmt.Errorf("format version %d, want 1", h.Version)
	case h.Cipher != Cipher:
		return fmt.Errorf("cipher %q, want %q", h.Cipher, Cipher)
	case h.Chunk != ChunkSize:
		return fmt.Errorf("chunks of %d bytes, want %d", h.Chunk, ChunkSize)
	case h.Size == 0 || h.Size > maxSize:
		return fmt.Errorf("%d bytes of plaintext, want 1 to %d", h.Size, uint64(maxSize))
	}
	return nil
}

func (h Header) chunks() int64 { return int64((h.Size + ChunkSize - 1) / ChunkSize) }

// digest identifies the container in every chunk.
func (h Header) digest() crescendo.Hash {
	return digest.Sum("crescendo/container/header/v1", canon.Encode(h))
}

// Size returns the bytes of the whole container.
func (h Header) ContainerSize() int64 {
	return int64(prefix) + int64(len(canon.Encode(h))) + int64(h.Size) + h.chunks()*overhead
}

func (h Header) aead(key keyshare.Key) (cipher.AEAD, crescendo.Hash, error) {
	sum := h.digest()
	if key.IsZero() {
		return nil, sum, errors.New("no key")
	}
	derived, err := hkdf.Key(sha256.New, key.Bytes(), sum[:], "crescendo/container/key/v1", 32)
	if err != nil {
		return nil, sum, fmt.Errorf("derive container key: %w", err)
	}
	defer clear(derived)
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, sum, fmt.Errorf("derive container key: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	return gcm, sum, err
}

// nonce is unique within a container, whose key is its own: three zero bytes,
// the chunk's index, and whether it is the last.
func nonce(index int64, last bool) []byte {
	n := make([]byte, 12)
	binary.BigEndian.PutUint64(n[3:11], uint64(index))
	if last {
		n[11] = 1
	}
	return n
}

// Seal encrypts h.Size bytes of plaintext to w. It fills the header's format
// fields and draws its salt.
func Seal(w io.Writer, random io.Reader, key keyshare.Key, h Header, plaintext io.Reader) (Header, error) {
	h.Version, h.Cipher, h.Chunk = 1, Cipher, ChunkSize
	if _, err := io.ReadFull(random, h.Salt[:]); err != nil {
		return h, fmt.Errorf("draw container salt: %w", err)
	}
	if err := h.check(); err != nil {
		return h, fmt.Errorf("seal container: %w", err)
	}
	encoded := canon.Encode(h)
	head := binary.BigEndian.AppendUint32([]byte(Magic), uint32(len(encoded)))
	if len(encoded) > maxHeader {
		return h, fmt.Errorf("seal container: header of %d bytes, limit %d", len(encoded), maxHeader)
	}
	if _, err := w.Write(append(head, encoded...)); err != nil {
		return h, fmt.Errorf("write container header: %w", err)
	}
	gcm, sum, err := h.aead(key)
	if err != nil {
		return h, fmt.Errorf("seal container: %w", err)
	}
	plain := make([]byte, ChunkSize)
	defer clear(plain)
	sealed := make([]byte, 0, ChunkSize+overhead)
	for i := range h.chunks() {
		part := plain[:min(ChunkSize, int64(h.Size)-i*ChunkSize)]
		if _, err := io.ReadFull(plaintext, part); err != nil {
			return h, fmt.Errorf("read plaintext of container: %w", err)
		}
		sealed = gcm.Seal(sealed[:0], nonce(i, i == h.chunks()-1), part, sum[:])
		if _, err := w.Write(sealed); err != nil {
			return h, fmt.Errorf("write container chunk %d: %w", i, err)
		}
	}
	return h, nil
}

// ReadHeader reads and checks the public header of a container of the given
// size, without a key.
func ReadHeader(r io.ReaderAt, size int64) (Header, error) {
	var h Header
	head := make([]byte, prefix)
	if size < int64(prefix) {
		return h, fmt.Errorf("%d bytes: %w", size, ErrCorrupt)
	}
	if _, err := r.ReadAt(head, 0); err != nil {
		return h, fmt.Errorf("read container: %w", err)
	}
	n := int64(binary.BigEndian.Uint32(head[len(Magic):]))
	if string(head[:len(Magic)]) != Magic || n > maxHeader || int64(prefix)+n > size {
		return h, fmt.Errorf("not a container: %w", ErrCorrupt)
	}
	encoded := make([]byte, n)
	if _, err := r.ReadAt(encoded, int64(prefix)); err != nil && !(errors.Is(err, io.EOF) && int64(prefix)+n == size) {
		return h, fmt.Errorf("read container header: %w", err)
	}
	if err := canon.Decode(encoded, &h); err != nil {
		return h, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if err := h.check(); err != nil {
		return h, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if h.ContainerSize() != size {
		return h, fmt.Errorf("%d bytes, header says %d: %w", size, h.ContainerSize(), ErrCorrupt)
	}
	return h, nil
}
