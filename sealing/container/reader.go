package container

import (
	"crypto/cipher"
	"fmt"
	"io"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/sealing/keyshare"
)

// A Reader decrypts a container at any offset. It implements io.ReaderAt over
// the plaintext and is safe for concurrent use. It keeps the chunk it
// decrypted last; Close overwrites it.
type Reader struct {
	r      io.ReaderAt
	header Header
	sum    crescendo.Hash
	gcm    cipher.AEAD
	start  int64

	mu    sync.Mutex // guards what follows
	index int64      // chunk held in plain; -1: none
	plain []byte
	buf   []byte
}

// Open checks the header of a container of the given size and the chunk that
// ends it, so that a wrong key or a cut is noticed at once.
func Open(r io.ReaderAt, size int64, key keyshare.Key) (*Reader, error) {
	h, err := ReadHeader(r, size)
	if err != nil {
		return nil, err
	}
	gcm, sum, err := h.aead(key)
	if err != nil {
		return nil, fmt.Errorf("open container: %w", err)
	}
	c := &Reader{
		r: r, header: h, sum: sum, gcm: gcm, index: -1,
		start: int64(prefix) + int64(len(canon.Encode(h))),
		plain: make([]byte, 0, ChunkSize), buf: make([]byte, ChunkSize+overhead),
	}
	if err := c.load(h.chunks() - 1); err != nil {
		return nil, err
	}
	return c, nil
}

// Header returns the public header.
func (c *Reader) Header() Header { return c.header }

// Size returns the bytes of plaintext.
func (c *Reader) Size() int64 { return int64(c.header.Size) }

// ReadAt implements io.ReaderAt.
func (c *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read container at %d: negative offset", off)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	done := 0
	for done < len(p) {
		at := off + int64(done)
		if at >= c.Size() {
			return done, io.EOF
		}
		if err := c.load(at / ChunkSize); err != nil {
			return done, err
		}
		done += copy(p[done:], c.plain[at%ChunkSize:])
	}
	return done, nil
}

// load decrypts a chunk into c.plain. The caller holds c.mu.
func (c *Reader) load(index int64) error {
	if c.index == index {
		return nil
	}
	c.index = -1
	last := index == c.header.chunks()-1
	n := int64(ChunkSize)
	if last {
		n = c.Size() - index*ChunkSize
	}
	sealed := c.buf[:n+overhead]
	if _, err := io.ReadFull(io.NewSectionReader(c.r, c.start+index*(ChunkSize+overhead), n+overhead), sealed); err != nil {
		return fmt.Errorf("read container chunk %d: %w", index, err)
	}
	plain, err := c.gcm.Open(c.plain[:0], nonce(index, last), sealed, c.sum[:])
	if err != nil {
		return fmt.Errorf("container chunk %d: %w", index, ErrCorrupt)
	}
	c.plain, c.index = plain, index
	return nil
}

// Close overwrites the plaintext that the reader holds.
func (c *Reader) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.plain[:cap(c.plain)])
	c.index = -1
	return nil
}
