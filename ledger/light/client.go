package light

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
)

// ErrGap means that the validators have changed between the newest trusted
// header and this one: verify the headers in between first.
var ErrGap = errors.New("validators changed in between")

// Trust is where verification begins: a block that somebody checked out of
// band, or the validators of the genesis.
type Trust struct {
	ChainID    string
	Height     int64
	Hash       []byte      // of the block at Height
	Validators []Validator // if Hash is empty: who must sign the first header
}

// Client keeps the newest header that follows from its trust. It is safe for
// concurrent use.
type Client struct {
	trust  Trust
	mu     sync.Mutex
	latest Header // zero: none yet
}

// New returns a client that believes the trust and nothing else.
func New(trust Trust) *Client { return &Client{trust: trust} }

// Latest returns the newest verified header; its height is zero at first.
func (c *Client) Latest() Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest
}

// Verify checks a header and remembers it if it is newer than what was known.
// The set is the validators of the header's height.
//
// The first header must be the trusted one. A later one must be signed by
// two thirds of the validators that the newest trusted header appointed.
func (c *Client) Verify(s SignedHeader, set []Validator) error {
	if s.Header.ChainID != c.trust.ChainID {
		return fmt.Errorf("%w: header of chain %q, want %q", ErrInvalid, s.Header.ChainID, c.trust.ChainID)
	}
	if err := checkCommit(s, set); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.follows(s.Header, set); err != nil {
		return err
	}
	if s.Header.Height > c.latest.Height {
		c.latest = s.Header
	}
	return nil
}

func (c *Client) follows(h Header, set []Validator) error {
	switch {
	case c.latest.Height == 0 && len(c.trust.Hash) > 0:
		if h.Height != c.trust.Height || !bytes.Equal(h.Hash(), c.trust.Hash) {
			return fmt.Errorf("%w: block %d is not the trusted block %d", ErrInvalid, h.Height, c.trust.Height)
		}
	case c.latest.Height == 0:
		if len(c.trust.Validators) == 0 || !bytes.Equal(ValidatorsHash(c.trust.Validators), h.ValidatorsHash) {
			return fmt.Errorf("%w: block %d is not signed by the trusted validators", ErrInvalid, h.Height)
		}
	case h.Height < c.latest.Height:
		// An older block of the same validators: they would have had to sign
		// two blocks at its height.
		if !bytes.Equal(h.ValidatorsHash, c.latest.ValidatorsHash) {
			return fmt.Errorf("%w: block %d is older than the newest trusted block %d and has other validators", ErrInvalid, h.Height, c.latest.Height)
		}
	case h.Height == c.latest.Height:
		if !bytes.Equal(h.Hash(), c.latest.Hash()) {
			return fmt.Errorf("%w: two blocks at height %d", ErrInvalid, h.Height)
		}
	case !bytes.Equal(h.ValidatorsHash, c.latest.NextValidatorsHash):
		if h.Height > c.latest.Height+1 {
			return fmt.Errorf("header %d after %d: %w", h.Height, c.latest.Height, ErrGap)
		}
		return fmt.Errorf("%w: block %d has other validators than its predecessor appointed", ErrInvalid, h.Height)
	}
	return nil
}
