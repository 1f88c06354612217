// Package sim is a pretended enclave platform for development: it measures a
// program, starts exactly what it measured and signs quotes for it. Quotes have
// the form and pass through the checks that a real platform's would, so the
// whole path from evidence to key is exercised.
//
// It protects nothing. Its root key is public, so anybody can sign a quote for
// anything, and the operator of the machine can read all the memory of the
// program it started. Only development chains accept it.
package sim

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/crescendo-network/crescendo/internal/canon"
)

// Assurance is what a simulated quote is worth, in words for people.
const Assurance = "simulated: the operator can read everything"

// Sizes of the parts of a quote.
const (
	MeasurementSize = sha256.Size
	ReportSize      = 64
	maxQuote        = 512
)

// ErrQuote means that a quote is malformed, altered, or made for something
// else.
var ErrQuote = errors.New("quote does not verify")

// Signing domains: a signature made for one purpose never serves another.
const (
	certificateDomain = "crescendo/attest/sim/certificate/v1\x00"
	quoteDomain       = "crescendo/attest/sim/quote/v1\x00"
)

// quote is the wire form of what a platform says about a program.
type quote struct {
	Measurement []byte `pb:"1"`
	Report      []byte `pb:"2"`
	Platform    []byte `pb:"3"` // the platform's public key
	Certificate []byte `pb:"4"` // the root's signature over Platform
	Signature   []byte `pb:"5"` // the platform's, over the fields above
}

func (q quote) signed() []byte {
	q.Signature = nil
	return append([]byte(quoteDomain), canon.Encode(q)...)
}

// root returns the development root key. Both halves are public knowledge,
// which is the point: whoever trusts it trusts nobody.
func root() ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("crescendo development root: this key is public and proves nothing"))
	return ed25519.NewKeyFromSeed(seed[:])
}

// A Platform signs quotes, as a processor's security engine would.
type Platform struct {
	key         ed25519.PrivateKey
	certificate []byte
}

// NewPlatform makes a platform with a key drawn from random and has the
// development root certify it.
func NewPlatform(random io.Reader) (*Platform, error) {
	public, key, err := ed25519.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("make platform key: %w", err)
	}
	certificate := ed25519.Sign(root(), append([]byte(certificateDomain), public...))
	return &Platform{key: key, certificate: certificate}, nil
}

// Quote signs that a program with the measurement asked for the report data.
func (p *Platform) Quote(measurement, report []byte) ([]byte, error) {
	if len(measurement) != MeasurementSize || len(report) != ReportSize {
		return nil, fmt.Errorf("quote %d bytes of measurement and %d of report data: want %d and %d",
			len(measurement), len(report), MeasurementSize, ReportSize)
	}
	q := quote{
		Measurement: measurement,
		Report:      report,
		Platform:    p.key.Public().(ed25519.PublicKey),
		Certificate: p.certificate,
	}
	q.Signature = ed25519.Sign(p.key, q.signed())
	return canon.Encode(q), nil
}

// Verify checks a quote against the development root and the report data that
// it must carry, and returns the measurement. It is pure.
func Verify(body, report []byte) (measurement []byte, err error) {
	if len(body) > maxQuote {
		return nil, fmt.Errorf("%d bytes: %w", len(body), ErrQuote)
	}
	var q quote
	if err := canon.Decode(body, &q); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrQuote, err)
	}
	if len(q.Measurement) != MeasurementSize || len(q.Report) != ReportSize ||
		len(q.Platform) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("a field has the wrong size: %w", ErrQuote)
	}
	anchor := root().Public().(ed25519.PublicKey)
	if !ed25519.Verify(anchor, append([]byte(certificateDomain), q.Platform...), q.Certificate) {
		return nil, fmt.Errorf("platform is not certified by the development root: %w", ErrQuote)
	}
	if !ed25519.Verify(q.Platform, q.signed(), q.Signature) {
		return nil, fmt.Errorf("signature is not the platform's: %w", ErrQuote)
	}
	if !bytes.Equal(q.Report, report) {
		return nil, fmt.Errorf("made for other keys, another operator or another chain: %w", ErrQuote)
	}
	return q.Measurement, nil
}
