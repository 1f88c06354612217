package inference

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Terms are what a session is opened under. They stay with the session: a
// later change of prices does not touch it.
type Terms struct {
	Operator    crescendo.Account
	VaultKey    []byte           // ed25519; receipts are checked against it
	InputPrice  crescendo.Amount // per thousand tokens
	OutputPrice crescendo.Amount
	GraceBlocks uint64 // between a client's final settlement and its refund
	Weights     string // what the vault computes answers with
}

// OpenSession takes a client's escrow and numbers the session.
func OpenSession(_ crescendo.Env, s kv.Store, m *MsgOpen, terms Terms) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	if terms.Operator == "" || len(terms.VaultKey) != ed25519.PublicKeySize {
		return out, crescendo.Errorf(crescendo.CodeInternal, "open session: vault %s has no operator or no key", m.Vault.Short())
	}
	if err := CheckWeights(terms.Weights); err != nil {
		return out, crescendo.Errorf(crescendo.CodeInternal, "open session: weights: %v", err)
	}
	counter, err := Counters.Get(s)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return out, fmt.Errorf("open session: %w", err)
	}
	counter.Next++
	id := counter.Next
	usage, err := UsageOf(s, m.Rung)
	if err != nil {
		return out, err
	}
	usage.Sessions++
	if usage.Escrowed, err = usage.Escrowed.Add(m.Escrow); err != nil {
		return out, crescendo.Errorf(crescendo.CodeInvalid, "open session with escrow %d: %v", m.Escrow, err)
	}
	session := Session{
		Client: m.Sender, Operator: terms.Operator, Rung: m.Rung, Vault: m.Vault, Key: m.Key, Escrow: m.Escrow,
		InputPrice: terms.InputPrice, OutputPrice: terms.OutputPrice, VaultKey: terms.VaultKey, Grace: terms.GraceBlocks,
		Weights: terms.Weights,
	}
	out.Pay(m.Sender, pot(m.Rung), m.Escrow)
	said := []any{"session", id, "client", m.Sender, "operator", terms.Operator, "vault", m.Vault, "escrow", m.Escrow}
	if terms.Weights != WeightsFloat32 {
		said = append(said, "weights", terms.Weights)
	}
	out.Emit(crescendo.NewEvent("inference.opened", m.Rung, said...))
	return out, errors.Join(
		Counters.Set(s, counter),
		Usages.Set(s, usage, uint32(m.Rung)),
		ByClient.Set(s, Counter{Next: id}, string(m.Sender), id),
		Sessions.Set(s, session, id),
	)
}

// Close asks for the rest of the escrow, which is paid grace blocks later, so
// that the vault's last receipts can still be settled. Client and operator may
// ask.
func Close(env crescendo.Env, s kv.Store, m *MsgClose, grace uint64) (crescendo.Outcome, error) {
	session, err := load(s, m.Session)
	if err != nil {
		return crescendo.Outcome{}, err
	}
	if m.Sender != session.Client && m.Sender != session.Operator {
		return crescendo.Outcome{}, crescendo.Errorf(crescendo.CodeForbidden,
			"close session %d: only its client and its vault's operator may", m.Session)
	}
	if session.Closed || session.Closing != 0 {
		return crescendo.Outcome{}, crescendo.Errorf(crescendo.CodeDuplicate, "close session %d: it is closed or closing already", m.Session)
	}
	out := closeLater(env, &session, m.Session, grace)
	return out, errors.Join(
		Queue.Set(s, Counter{Next: m.Session}, uint64(session.Closing), m.Session),
		Sessions.Set(s, session, m.Session),
	)
}

// maxGrace keeps deadlines far from overflow; at one block a second it is
// longer than a century.
const maxGrace = 1 << 32

func closeLater(env crescendo.Env, session *Session, id uint64, grace uint64) crescendo.Outcome {
	var out crescendo.Outcome
	session.Closing = env.Height + crescendo.Height(min(grace, maxGrace))
	out.Emit(crescendo.NewEvent("inference.closing", session.Rung, "session", id, "refund-at", session.Closing))
	return out
}

// closeNow refunds the rest of the escrow. The caller stores the session and
// takes it out of the queue.
func closeNow(session *Session, usage *Usage, id uint64) crescendo.Outcome {
	var out crescendo.Outcome
	rest := session.Escrow - session.Settled
	usage.Escrowed -= rest
	session.Closed = true
	out.Pay(pot(session.Rung), session.Client, rest)
	out.Emit(crescendo.NewEvent("inference.closed", session.Rung,
		"session", id, "client", session.Client, "refunded", rest, "settled", session.Settled))
	return out
}

// EndBlock pays the refunds that are due, at most MaxRefunds per block; the
// others follow in the next blocks.
func EndBlock(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	due, err := Queue.List(s, nil, MaxRefunds)
	if err != nil {
		return out, fmt.Errorf("read due refunds: %w", err)
	}
	for _, entry := range due {
		id := entry.Value.Next
		session, err := load(s, id)
		if err != nil {
			return out, err
		}
		if session.Closing > env.Height {
			break
		}
		usage, err := UsageOf(s, session.Rung)
		if err != nil {
			return out, err
		}
		if err := Queue.Delete(s, uint64(session.Closing), id); err != nil {
			return out, err
		}
		out.Join(closeNow(&session, &usage, id))
		if err := errors.Join(Sessions.Set(s, session, id), Usages.Set(s, usage, uint32(session.Rung))); err != nil {
			return out, err
		}
	}
	return out, nil
}

// UsageOf returns what a rung has served; zero when it has served nothing.
func UsageOf(r kv.Reader, rung crescendo.RungID) (Usage, error) {
	usage, err := Usages.Get(r, uint32(rung))
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return Usage{}, fmt.Errorf("read usage of rung %d: %w", rung, err)
	}
	return usage, nil
}

func load(r kv.Reader, id uint64) (Session, error) {
	session, err := Sessions.Get(r, id)
	if errors.Is(err, kv.ErrNotFound) {
		return session, crescendo.Errorf(crescendo.CodeNotFound, "session %d does not exist", id)
	} else if err != nil {
		return session, fmt.Errorf("read session %d: %w", id, err)
	}
	return session, nil
}

func pot(rung crescendo.RungID) crescendo.Account { return crescendo.Pot("inference", rung) }
