package wire

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/program"
)

// Bounds on transactions.
const (
	MaxTxBytes  = 1 << 20
	MaxMessages = 64
	maxFields   = 1 << 12
)

// Gas is charged for what a transaction costs the ledger: a flat price per
// message and its bytes. Rule work itself is bounded by the rules.
const (
	GasPerMessage = 100_000
	GasPerByte    = 20
	gasPerTx      = 300_000 // signatures, accounts, fees, as the SDK counts them
)

// ErrTx means the bytes are no transaction of this ledger.
var ErrTx = errors.New("malformed transaction")

// A Tx is a decoded transaction.
type Tx struct {
	Messages  []crescendo.Message // of the rules, *MsgSend, or *Other
	Signer    crescendo.Account   // of the first signature
	PublicKey []byte
	Sequence  uint64
	Gas       uint64
	Memo      string
	Signature []byte

	body, auth []byte
}

// Draft is what a signer is asked to sign.
type Draft struct {
	ChainID   string
	Account   uint64 // account number on the ledger
	Sequence  uint64
	PublicKey []byte
	Messages  []crescendo.Message
	Memo      string
}

// body and auth return the two signed halves of the transaction.
func (d Draft) body() []byte {
	var body []byte
	for _, m := range d.Messages {
		body = appendBytes(body, 1, encodeAny(m.TypeURL(), canon.Encode(m)))
	}
	return appendString(body, 2, d.Memo)
}

func (d Draft) auth() []byte {
	key := encodeAny(secp256k1URL, appendBytes(nil, 1, d.PublicKey))
	mode := appendBytes(nil, 1, appendUint(nil, 1, 1)) // single, SIGN_MODE_DIRECT
	signer := appendBytes(nil, 1, key)
	signer = appendBytes(signer, 2, mode)
	signer = appendUint(signer, 3, d.Sequence)
	fee := appendUint(nil, 2, d.Gas())
	return appendBytes(appendBytes(nil, 1, signer), 2, fee)
}

// Gas returns the gas limit of the transaction: ample for what it costs.
func (d Draft) Gas() uint64 {
	gas := uint64(gasPerTx)
	for _, m := range d.Messages {
		gas += GasPerMessage + (GasPerByte+10)*uint64(len(canon.Encode(m))+64)
	}
	return gas
}

// SignDocument returns the bytes to sign (SIGN_MODE_DIRECT).
func (d Draft) SignDocument() []byte {
	return signDocument(d.body(), d.auth(), d.ChainID, d.Account)
}

func signDocument(body, auth []byte, chainID string, account uint64) []byte {
	doc := appendBytes(nil, 1, body)
	doc = appendBytes(doc, 2, auth)
	doc = appendString(doc, 3, chainID)
	return appendUint(doc, 4, account)
}

// Encode returns the transaction's bytes.
func (d Draft) Encode(signature []byte) []byte {
	raw := appendBytes(nil, 1, d.body())
	raw = appendBytes(raw, 2, d.auth())
	return appendBytes(raw, 3, signature)
}

const secp256k1URL = "/cosmos.crypto.secp256k1.PubKey"

func encodeAny(url string, value []byte) []byte {
	return appendBytes(appendString(nil, 1, url), 2, value)
}

// Decode reads a transaction. Messages of the rules must be in their one
// canonical encoding and pass their own Check.
func Decode(raw []byte) (Tx, error) {
	tx, err := decode(raw)
	if err != nil {
		return Tx{}, fmt.Errorf("%w: %w", ErrTx, err)
	}
	return tx, nil
}

func decode(raw []byte) (Tx, error) {
	if len(raw) > MaxTxBytes {
		return Tx{}, fmt.Errorf("%d bytes, at most %d", len(raw), MaxTxBytes)
	}
	var tx Tx
	err := fields(raw, func(num protowire.Number, _ uint64, b []byte) error {
		switch num {
		case 1:
			tx.body = b
		case 2:
			tx.auth = b
		case 3:
			if tx.Signature == nil {
				tx.Signature = b
			}
		}
		return nil
	})
	if err != nil {
		return Tx{}, err
	}
	if err := tx.decodeBody(); err != nil {
		return Tx{}, fmt.Errorf("body: %w", err)
	}
	if err := tx.decodeAuth(); err != nil {
		return Tx{}, fmt.Errorf("auth info: %w", err)
	}
	return tx, nil
}

func (tx *Tx) decodeBody() error {
	return fields(tx.body, func(num protowire.Number, _ uint64, b []byte) error {
		switch num {
		case 1:
			if len(tx.Messages) == MaxMessages {
				return fmt.Errorf("more than %d messages", MaxMessages)
			}
			url, value, err := decodeAny(b)
			if err != nil {
				return err
			}
			m, err := DecodeMessage(url, value)
			if err != nil {
				return err
			}
			tx.Messages = append(tx.Messages, m)
		case 2:
			tx.Memo = string(b)
		}
		return nil
	})
}

func (tx *Tx) decodeAuth() error {
	first := true
	return fields(tx.auth, func(num protowire.Number, _ uint64, b []byte) error {
		switch {
		case num == 1 && first:
			first = false
			return tx.decodeSigner(b)
		case num == 2:
			return fields(b, func(num protowire.Number, n uint64, _ []byte) error {
				if num == 2 {
					tx.Gas = n
				}
				return nil
			})
		}
		return nil
	})
}

func (tx *Tx) decodeSigner(raw []byte) error {
	return fields(raw, func(num protowire.Number, n uint64, b []byte) error {
		switch num {
		case 1:
			url, value, err := decodeAny(b)
			if err != nil || url != secp256k1URL {
				return err // another kind of key: no account of ours
			}
			return fields(value, func(num protowire.Number, _ uint64, b []byte) error {
				if num == 1 && len(b) == 33 {
					tx.PublicKey = b
					tx.Signer = address.FromPublicKey(b)
				}
				return nil
			})
		case 3:
			tx.Sequence = n
		}
		return nil
	})
}

// SignedBytes returns what the first signature was made over.
func (tx Tx) SignedBytes(chainID string, account uint64) []byte {
	return signDocument(tx.body, tx.auth, chainID, account)
}

// DecodeMessage reads one message of a transaction.
func DecodeMessage(url string, value []byte) (crescendo.Message, error) {
	switch {
	case url == sendURL:
		m := new(MsgSend)
		if err := canon.Decode(value, m); err != nil {
			return &Other{URL: url, Value: value}, nil // the SDK may still accept it
		}
		return m, nil
	case strings.HasPrefix(url, "/crescendo."):
		m, err := program.Decode(url, value)
		if err != nil {
			return nil, err
		}
		return m, m.Check()
	}
	return &Other{URL: url, Value: value}, nil
}

func decodeAny(raw []byte) (url string, value []byte, err error) {
	err = fields(raw, func(num protowire.Number, _ uint64, b []byte) error {
		switch num {
		case 1:
			url = string(b)
		case 2:
			value = b
		}
		return nil
	})
	return url, value, err
}

// fields calls f for every field of a message: n for varints, b for bytes.
func fields(raw []byte, f func(num protowire.Number, n uint64, b []byte) error) error {
	for count := 0; len(raw) > 0; count++ {
		num, typ, size := protowire.ConsumeTag(raw)
		if size < 0 {
			return protowire.ParseError(size)
		}
		if count == maxFields {
			return fmt.Errorf("more than %d fields", maxFields)
		}
		raw = raw[size:]
		var n uint64
		var b []byte
		switch typ {
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(raw)
		case protowire.BytesType:
			b, size = protowire.ConsumeBytes(raw)
		default:
			return fmt.Errorf("unexpected wire type %d", typ)
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		raw = raw[size:]
		if err := f(num, n, b); err != nil {
			return err
		}
	}
	return nil
}

func appendBytes(b []byte, num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}

func appendString(b []byte, num protowire.Number, v string) []byte {
	if v == "" {
		return b
	}
	return appendBytes(b, num, []byte(v))
}

func appendUint(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

// ParseAccountInfo reads the answer of the auth module's AccountInfo query.
func ParseAccountInfo(raw []byte) (number, sequence uint64, err error) {
	err = fields(raw, func(num protowire.Number, _ uint64, info []byte) error {
		if num != 1 {
			return nil
		}
		return fields(info, func(num protowire.Number, n uint64, _ []byte) error {
			switch num {
			case 3:
				number = n
			case 4:
				sequence = n
			}
			return nil
		})
	})
	return number, sequence, err
}
