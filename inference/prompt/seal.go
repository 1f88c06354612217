package prompt

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hpke"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/crescendo-network/crescendo/internal/canon"
)

const (
	exportLabel   = "crescendo/prompt/answer/v1"
	maxEvents     = 1 << 22 // per answer
	chunkOverhead = 16
)

// Seal seals a signed request to the vault that owns sealKey, and returns what
// opens the answer.
func Seal(b Binding, sealKey []byte, r Request) (data []byte, answer *Opener, err error) {
	public, err := hpke.MLKEM768X25519().NewPublicKey(sealKey)
	if err != nil {
		return nil, nil, fmt.Errorf("read vault key: %w", err)
	}
	encap, sender, err := hpke.NewSender(public, hpke.HKDFSHA256(), hpke.AES256GCM(), b.info())
	if err != nil {
		return nil, nil, fmt.Errorf("seal request: %w", err)
	}
	plain := canon.Encode(r)
	if len(plain) > MaxRequest {
		return nil, nil, fmt.Errorf("request of %d bytes, limit %d: %w", len(plain), MaxRequest, ErrMalformed)
	}
	sealed, err := sender.Seal(nil, plain)
	if err != nil {
		return nil, nil, fmt.Errorf("seal request: %w", err)
	}
	secret, err := sender.Export(exportLabel, 32)
	if err != nil {
		return nil, nil, fmt.Errorf("derive answer key: %w", err)
	}
	gcm, err := answerKey(secret)
	if err != nil {
		return nil, nil, err
	}
	e := envelope{Version: 1, Binding: b, Encap: encap, Sealed: sealed}
	return append([]byte(magic), canon.Encode(e)...), &Opener{gcm: gcm}, nil
}

// Receive opens an envelope with the vault's key. The binding is the vault's
// own; an envelope for another chain, rung or vault does not open. The
// signature is not checked here: the caller must ask the session for its key.
func Receive(private hpke.PrivateKey, b Binding, data []byte) (Request, *Sealer, error) {
	var r Request
	e, err := parseEnvelope(data)
	if err != nil {
		return r, nil, err
	}
	if e.Binding != b {
		return r, nil, fmt.Errorf("envelope is for another vault: %w", ErrSealed)
	}
	recipient, err := hpke.NewRecipient(e.Encap, private, hpke.HKDFSHA256(), hpke.AES256GCM(), b.info())
	if err != nil {
		return r, nil, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	plain, err := recipient.Open(nil, e.Sealed)
	if err != nil {
		return r, nil, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	defer clear(plain)
	secret, err := recipient.Export(exportLabel, 32)
	if err != nil {
		return r, nil, fmt.Errorf("derive answer key: %w", err)
	}
	gcm, err := answerKey(secret)
	if err != nil {
		return r, nil, err
	}
	if len(plain) > MaxRequest {
		return r, nil, fmt.Errorf("request of %d bytes, limit %d: %w", len(plain), MaxRequest, ErrMalformed)
	}
	if err := canon.Decode(plain, &r); err != nil {
		return r, nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return r, &Sealer{gcm: gcm}, nil
}

func answerKey(secret []byte) (cipher.AEAD, error) {
	defer clear(secret)
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("derive answer key: %w", err)
	}
	return cipher.NewGCM(block)
}

// A Sealer is the vault's side of an answer. It is used by one goroutine.
type Sealer struct {
	gcm      cipher.AEAD
	sequence uint64
	done     bool
}

// Seal encrypts the next event; a Final one ends the answer.
func (s *Sealer) Seal(e Event) ([]byte, error) {
	if s.done || s.sequence >= maxEvents {
		return nil, errors.New("seal event: answer has ended")
	}
	plain := e.encode()
	if len(plain)+chunkOverhead > MaxChunk {
		return nil, fmt.Errorf("seal event: %d bytes, limit %d", len(plain), MaxChunk-chunkOverhead)
	}
	chunk := s.gcm.Seal(nil, sequenceNonce(s.sequence, e.Final), plain, []byte(exportLabel))
	clear(plain)
	s.sequence++
	s.done = e.Final
	return chunk, nil
}

// An Opener is the client's side of an answer. It is used by one goroutine.
type Opener struct {
	gcm      cipher.AEAD
	sequence uint64
	done     bool
}

// Open decrypts the next event. An event that is out of order, altered, or
// marked final by somebody else does not open.
func (o *Opener) Open(chunk []byte) (Event, error) {
	var e Event
	if o.done {
		return e, fmt.Errorf("event after the end: %w", ErrSealed)
	}
	final := false
	plain, err := o.gcm.Open(nil, sequenceNonce(o.sequence, false), chunk, []byte(exportLabel))
	if err != nil {
		final = true
		plain, err = o.gcm.Open(nil, sequenceNonce(o.sequence, true), chunk, []byte(exportLabel))
	}
	if err != nil {
		return e, fmt.Errorf("event %d: %w", o.sequence, ErrSealed)
	}
	if err := canon.Decode(plain, &e); err != nil {
		return e, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if e.Final != final {
		return e, fmt.Errorf("event %d: end marker does not fit: %w", o.sequence, ErrMalformed)
	}
	if err := e.check(); err != nil {
		return e, fmt.Errorf("event %d: %w", o.sequence, err)
	}
	o.sequence++
	o.done = final
	return e, nil
}

// Done reports whether the end has been seen.
func (o *Opener) Done() bool { return o.done }

// WriteChunk frames a sealed event with its length.
func WriteChunk(w io.Writer, chunk []byte) error {
	framed := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(chunk)), uint32(len(chunk)))
	_, err := w.Write(append(framed, chunk...))
	return err
}

// Read reads framed events and hands them to each, until the final one. An
// answer that stops before is ErrTruncated.
func (o *Opener) Read(r io.Reader, each func(Event) error) error {
	br := bufio.NewReader(r)
	for !o.done {
		var size [4]byte
		if _, err := io.ReadFull(br, size[:]); err != nil {
			return cut(err)
		}
		n := binary.BigEndian.Uint32(size[:])
		if n > MaxChunk {
			return fmt.Errorf("event of %d bytes, limit %d: %w", n, MaxChunk, ErrMalformed)
		}
		chunk := make([]byte, n)
		if _, err := io.ReadFull(br, chunk); err != nil {
			return cut(err)
		}
		e, err := o.Open(chunk)
		if err != nil {
			return err
		}
		if err := each(e); err != nil {
			return err
		}
	}
	return nil
}

func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrTruncated
	}
	return fmt.Errorf("read answer: %w", err)
}
