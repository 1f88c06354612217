package memory

import (
	"encoding/binary"
	"reflect"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/wire"
)

const maxMessages = 256 // of one transaction

// transaction waits for a block.
type transaction struct {
	messages []crescendo.Message
	hash     crescendo.Hash
	done     chan outcome // receives exactly once, buffered
}

type outcome struct {
	result ledger.Result
	err    error
}

// sign makes a transaction as a client would, and checks it as a validator
// would: what the rules get is decoded from what was signed.
func sign(chainID string, sequence uint64, signer ledger.Signer, messages []crescendo.Message) (*transaction, error) {
	if len(messages) == 0 || len(messages) > maxMessages {
		return nil, crescendo.Errorf(crescendo.CodeInvalid, "submit: %d messages, want 1 to %d", len(messages), maxMessages)
	}
	if account := address.FromPublicKey(signer.PublicKey()); account != signer.Account() {
		return nil, crescendo.Errorf(crescendo.CodeForbidden, "submit: the signer says %.100q, its key controls %s", signer.Account(), account)
	}
	parts := [][]byte{[]byte(chainID), signer.PublicKey(), binary.BigEndian.AppendUint64(nil, sequence)}
	tx := &transaction{done: make(chan outcome, 1)}
	for _, m := range messages {
		if m.From() != signer.Account() {
			return nil, crescendo.Errorf(crescendo.CodeForbidden, "submit %s: it is from %.100q, the signer is %s",
				m.TypeURL(), m.From(), signer.Account())
		}
		raw := canon.Encode(m)
		decoded := reflect.New(reflect.TypeOf(m).Elem()).Interface().(crescendo.Message)
		if err := canon.Decode(raw, decoded); err != nil {
			return nil, crescendo.Errorf(crescendo.CodeInvalid, "submit %s: %v", m.TypeURL(), err)
		}
		if err := decoded.Check(); err != nil {
			return nil, err
		}
		tx.messages = append(tx.messages, decoded)
		parts = append(parts, []byte(m.TypeURL()), raw)
	}
	tx.hash = digest.Sum("crescendo/memory/transaction/v1", parts...)
	signature, err := signer.Sign(tx.hash[:])
	if err != nil {
		return nil, err
	}
	return tx, verify(signer.PublicKey(), tx.hash[:], signature)
}

// execute applies all messages of a transaction, or none.
func (c *Chain) execute(env crescendo.Env, tx *transaction) ([]crescendo.Event, error) {
	overlay := kv.NewOverlay(c.store)
	var all crescendo.Outcome
	for _, m := range tx.messages {
		out, err := c.apply(env, overlay, m)
		if err != nil {
			return nil, err
		}
		all.Join(out)
	}
	if err := c.bank.Execute(all.Transfers); err != nil {
		return nil, err
	}
	return all.Events, overlay.Commit(c.store)
}

func (c *Chain) apply(env crescendo.Env, s kv.Store, m crescendo.Message) (crescendo.Outcome, error) {
	if send, ok := m.(*wire.MsgSend); ok {
		return c.send(send)
	}
	return c.rules.Apply(env, s, m)
}

func (c *Chain) send(m *wire.MsgSend) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	if pot, ok := c.pots[m.To]; ok {
		return out, crescendo.Errorf(crescendo.CodeForbidden, "send to %s: it is the pot %s, which only rules pay into", m.To, pot).
			WithHint("to buy shares, contribute to the raise")
	}
	amount, err := crescendo.ParseAmount(m.Coins[0].Amount)
	if err != nil || m.Coins[0].Denom != c.options.Denom {
		return out, crescendo.Errorf(crescendo.CodeInvalid, "send: this ledger has no %.100q, or %.100q of it is no amount",
			m.Coins[0].Denom, m.Coins[0].Amount)
	}
	out.Pay(m.Sender, m.To, amount)
	return out, nil
}
