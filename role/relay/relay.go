// Package relay is a vault's host: it starts and supervises the vault, proves
// ledger state to it, feeds it blobs, submits as its operator, keeps its
// receipts and settles them, and carries clients' sealed prompts.
//
// It is not trusted with anything but availability: it sees ciphertext, sizes
// and times, and it refuses whatever is not sealed.
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/attest/sim"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/role/vault/calls"
	"github.com/crescendo-network/crescendo/role/vault/wire"
	"github.com/crescendo-network/crescendo/sealing"
)

// A Prover proves ledger state to the vault.
type Prover interface {
	// Trust returns what a vault that starts now is to believe.
	Trust(ctx context.Context) (sealing.Trust, error)
	// Prove returns a bundle of the keys' entries at one height, which is not
	// below after.
	Prove(ctx context.Context, keys [][]byte, after crescendo.Height) ([]byte, error)
}

// Config is what a relay needs.
type Config struct {
	Ledger  ledger.Ledger
	Signer  ledger.Signer // the vault's operator, who is paid for serving
	Prover  Prover
	Blobs   blob.Store
	Vault   string // path of the crescendo-vault binary
	Home    string // receipts are kept here
	Listen  string // "" means 127.0.0.1:0
	Threads int
	Log     *slog.Logger
	Stderr  io.Writer // of the vault; nil: nowhere

	// SettleEvery is how often receipts are settled, unless a session closes;
	// zero: 2 seconds.
	SettleEvery time.Duration

	// Changed is called when the address or the vault's process changes. It
	// must not block; nil is fine.
	Changed func(Status)
}

// Status tells where a relay stands.
type Status struct {
	Address  string // host:port of the HTTP server
	VaultPID int    // zero while there is none
	Vault    crescendo.Hash
	Accepted bool   // the ledger has accepted the vault
	Refused  string // why it has not
	Serving  []crescendo.RungID
	Measures []calls.Measure
}

const (
	restartFirst = 200 * time.Millisecond
	restartMost  = 10 * time.Second
	startTime    = 30 * time.Second
	stopTime     = 5 * time.Second
)

// Relay is a running relay.
type Relay struct {
	cfg   Config
	log   *slog.Logger
	store *receipts
	limit chan struct{} // one token per sealed request in flight
	// closing has a token when a session is being closed.
	closing chan struct{}

	mu     sync.Mutex // guards what follows
	status Status
	host   *host // nil while no vault runs
}

// Run hosts a vault until the context ends. It fails only for reasons that
// restarting the vault would not mend.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.SettleEvery == 0 {
		cfg.SettleEvery = 2 * time.Second
	}
	store, err := openReceipts(cfg.Home)
	if err != nil {
		return err
	}
	r := &Relay{cfg: cfg, log: cfg.Log, store: store, limit: make(chan struct{}, maxInFlight), closing: make(chan struct{}, 1)}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return crescendo.Errorf(crescendo.CodeInvalid, "listen on %s: %v", cfg.Listen, err).
			WithHint("choose another address with --listen")
	}
	stopHTTP := r.listen(ctx, listener)
	defer stopHTTP()
	r.update(func(s *Status) { s.Address = listener.Addr().String() })
	var settling sync.WaitGroup
	settling.Go(func() { r.settleForever(ctx) })
	defer settling.Wait()
	return r.supervise(ctx)
}

func (r *Relay) update(change func(*Status)) {
	r.mu.Lock()
	change(&r.status)
	s := r.status
	r.mu.Unlock()
	if r.cfg.Changed != nil {
		r.cfg.Changed(s)
	}
}

// Status returns where the relay stands.
func (r *Relay) current() (Status, *host) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status, r.host
}

// supervise starts the vault again whenever it ends, less eagerly each time it
// does not live long.
func (r *Relay) supervise(ctx context.Context) error {
	wait := restartFirst
	for {
		began := time.Now()
		err := r.generation(ctx)
		r.mu.Lock()
		r.host = nil
		r.mu.Unlock()
		r.update(func(s *Status) { s.VaultPID, s.Accepted, s.Serving, s.Vault = 0, false, nil, crescendo.Hash{} })
		if ctx.Err() != nil {
			return nil
		}
		r.log.Warn("vault ended; it will be started again", "error", err)
		if time.Since(began) > time.Minute {
			wait = restartFirst
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, restartMost)
	}
}

// host is one vault process as the relay sees it.
type host struct {
	relay    *Relay
	machine  *sim.Machine
	conn     *wire.Conn
	identity calls.Identity
	serving  map[crescendo.RungID]bool
	asked    map[crescendo.RungID]crescendo.Hash // nonces of key requests
}

// generation runs one vault from start to end.
func (r *Relay) generation(ctx context.Context) error {
	machine, err := sim.Launch(r.cfg.Vault, nil, r.cfg.Stderr)
	if err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		machine.Stop(stop)
	}()
	h := &host{relay: r, machine: machine, serving: map[crescendo.RungID]bool{}, asked: map[crescendo.RungID]crescendo.Hash{}}
	h.conn = wire.New(machine.Host, true, h.serve)
	defer h.conn.Close()
	if err := h.start(ctx); err != nil {
		return fmt.Errorf("start vault: %w", err)
	}
	r.mu.Lock()
	r.host = h
	r.mu.Unlock()
	r.update(func(s *Status) {
		s.VaultPID, s.Vault, s.Measures = machine.PID, h.identity.Vault, h.identity.Measures
	})
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-machine.Done():
		case <-h.conn.Done():
		case <-work.Done():
		}
		cancel()
	}()
	if err := h.register(work); err != nil {
		return err
	}
	r.update(func(s *Status) { s.Accepted, s.Refused = true, "" })
	return h.follow(work)
}

func (h *host) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	trust, err := h.relay.cfg.Prover.Trust(ctx)
	if err != nil {
		return err
	}
	args := calls.StartArgs{
		Chain: h.relay.cfg.Ledger.ChainID(), Operator: h.relay.cfg.Signer.Account(),
		Trust: trust, Threads: uint32(max(1, h.relay.cfg.Threads)),
	}
	if err := h.conn.Do(ctx, calls.Start, args, &h.identity); err != nil {
		return err
	}
	for _, m := range h.identity.Measures {
		h.relay.log.Info("vault isolation", "measure", m.Name, "held", m.Held, "detail", m.Detail)
	}
	return nil
}

var errVaultGone = errors.New("vault has ended")
