// Package vault is the seat that holds weights in the clear: it does the last
// stretch of a rung's training, seals the result, opens it again with a key
// that keepers hand over, and answers sealed prompts. It runs as a process of
// its own, whose only way out is one socket to an untrusted host.
//
// What it believes of the ledger it has verified itself; what leaves it is
// ciphertext, signatures and counts. It has no opinion on money beyond the
// escrow that a session still has.
package vault

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/attest"
	"github.com/crescendo-network/crescendo/attest/sim"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/role/vault/calls"
	"github.com/crescendo-network/crescendo/role/vault/proof"
	"github.com/crescendo-network/crescendo/role/vault/wire"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/sealing/keyshare"
)

const (
	maxThreads = 256
	maxModels  = 8
)

// Vault is one vault process's state.
type Vault struct {
	measures []calls.Measure
	quotes   io.ReadWriter
	conn     *wire.Conn

	starting sync.Mutex // held by start
	started  chan struct{}
	// Set by start, constant afterwards.
	chain    string
	operator crescendo.Account
	id       crescendo.Hash
	signKey  ed25519.PrivateKey
	sealKey  *keyshare.Identity
	ledger   *ledgerView
	engine   engine.Engine
	salt     []byte        // of what servers remember of prompts
	stall    time.Duration // how long an answer may wait for its reader

	heavy sync.Mutex // held while sealing or loading

	mu       sync.Mutex // guards what follows
	models   map[crescendo.RungID]*model
	sealed   map[crescendo.RungID]*model // sealed here, not yet on the ledger
	nonces   map[crescendo.RungID]crescendo.Hash
	sessions map[uint64]*session
}

// Serve runs a vault over its two sockets until the host goes away.
func Serve(host, quotes net.Conn, measures []calls.Measure) {
	v := &Vault{
		measures: measures, quotes: quotes, started: make(chan struct{}), stall: stallTime,
		models: map[crescendo.RungID]*model{}, sealed: map[crescendo.RungID]*model{},
		nonces: map[crescendo.RungID]crescendo.Hash{}, sessions: map[uint64]*session{},
	}
	ready := make(chan struct{})
	v.conn = wire.New(host, false, func(ctx context.Context, method string, args []byte, s *wire.Stream) error {
		<-ready // until v.conn is set
		return v.serve(ctx, method, args, s)
	})
	close(ready)
	<-v.conn.Done()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, m := range v.models {
		m.server.Close()
	}
}

func (v *Vault) serve(ctx context.Context, method string, args []byte, s *wire.Stream) error {
	if method == calls.Start {
		return answer(s, args, func(a calls.StartArgs) (calls.Identity, error) { return v.start(a) })
	}
	select {
	case <-v.started:
	default:
		return crescendo.Errorf(crescendo.CodeWrongTime, "%.64s: the vault has not been started", method)
	}
	switch method {
	case calls.Seal:
		return answer(s, args, func(a calls.SealArgs) (calls.SealReply, error) { return v.seal(ctx, a) })
	case calls.Nonce:
		return answer(s, args, func(a calls.RungArgs) (calls.NonceReply, error) { return v.nonce(a.Rung) })
	case calls.Load:
		return answer(s, args, func(a calls.RungArgs) (calls.RungArgs, error) { return a, v.load(ctx, a.Rung) })
	case calls.State:
		return answer(s, args, func(calls.RungArgs) (calls.Status, error) { return v.status(), nil })
	case calls.Ask:
		return v.ask(ctx, args, s)
	}
	return crescendo.Errorf(crescendo.CodeNotFound, "the vault has no method %.64q", method)
}

// answer decodes the arguments of a call, does it and sends the reply.
func answer[A, R any](s *wire.Stream, raw []byte, do func(A) (R, error)) error {
	var args A
	if err := canon.Decode(raw, &args); err != nil {
		return crescendo.Errorf(crescendo.CodeInvalid, "read arguments: %v", err)
	}
	reply, err := do(args)
	if err != nil {
		return err
	}
	if out := canon.Encode(reply); len(out) > 0 {
		return s.Send(out)
	}
	return nil
}

// start makes the vault's keys and its evidence. It works once: a vault that
// could be told twice what to believe would believe anything.
func (v *Vault) start(a calls.StartArgs) (calls.Identity, error) {
	v.starting.Lock()
	defer v.starting.Unlock()
	select {
	case <-v.started:
		return calls.Identity{}, crescendo.Errorf(crescendo.CodeDuplicate, "start: the vault has been started already")
	default:
	}
	if a.Chain == "" || a.Operator == "" || a.Threads > maxThreads {
		return calls.Identity{}, crescendo.Errorf(crescendo.CodeInvalid, "start: chain, operator or threads do not fit")
	}
	verifier, err := proof.NewVerifier(a.Chain, a.Trust)
	if err != nil {
		return calls.Identity{}, err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return calls.Identity{}, fmt.Errorf("make signing key: %w", err)
	}
	salt := make([]byte, 32)
	if _, err := rand.Read(salt); err != nil {
		return calls.Identity{}, fmt.Errorf("draw salt: %w", err)
	}
	identity, err := keyshare.NewIdentity()
	if err != nil {
		return calls.Identity{}, err
	}
	binding := sealing.EvidenceBinding(a.Chain, a.Operator, public, identity.SealKey(), crescendo.Hash{})
	body, err := sim.Ask(v.quotes, attest.Report(binding, a.Trust))
	if err != nil {
		return calls.Identity{}, err
	}
	v.chain, v.operator = a.Chain, a.Operator
	v.signKey, v.sealKey = private, identity
	v.id = sealing.VaultID(public, identity.SealKey())
	v.ledger = &ledgerView{conn: v.conn, verifier: verifier}
	v.engine = native.New(int(max(a.Threads, 1)))
	v.salt = salt
	close(v.started)
	return calls.Identity{
		Vault: v.id, SignKey: public, SealKey: identity.SealKey(),
		Evidence: attest.Evidence{Kind: attest.Sim, Body: body, Trust: a.Trust}.Encode(),
		Measures: v.measures, Kernel: v.engine.Kernel(),
	}, nil
}

func (v *Vault) status() calls.Status {
	v.mu.Lock()
	defer v.mu.Unlock()
	st := calls.Status{Sessions: uint64(len(v.sessions)), Height: v.ledger.newest()}
	for rung := crescendo.RungID(1); len(st.Loaded) < len(v.models); rung++ {
		if m, ok := v.models[rung]; ok {
			st.Loaded = append(st.Loaded, calls.Loaded{Rung: rung, KeyCheck: m.check, Requests: m.requests.Load(), Output: m.output.Load()})
		}
	}
	return st
}
