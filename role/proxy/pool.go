package proxy

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/tokenizer"
)

// errUnavailable means that nobody answers at the moment; trying again helps.
var errUnavailable = errors.New("service unavailable")

func unavailable(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUnavailable, fmt.Sprintf(format, args...))
}

// pool holds the client's sessions. A session answers one request at a time.
type pool struct {
	cfg   Config
	relay string
	http  *http.Client
	slots chan struct{} // one token per session in use

	mu         sync.Mutex // guards what follows
	idle       []*session
	open       map[uint64]*session // all that are not closed
	tokenizers map[crescendo.RungID]*tokenizer.Tokenizer
	found      service
	foundAt    time.Time
}

// session is an escrow with one vault, and what it has cost so far by the
// client's own count.
type session struct {
	id      uint64
	rung    crescendo.RungID
	vault   crescendo.Hash
	sealKey []byte
	signKey []byte
	key     ed25519.PrivateKey
	terms   inference.Session // prices and escrow
	counter uint64
	last    inference.Receipt
	unsure  uint64 // output tokens of interrupted answers that may or may not be charged
	maybe   uint64 // requests likewise
	broken  bool   // not to be used again
	opened  time.Time
}

// settling bounds how long a vault may take to see a session that the ledger
// has: it believes only blocks that have been proved to it.
const settling = 10 * time.Minute

// unseen reports whether the ledger has the session as it was opened, so that a
// vault that does not know it is only behind. How far behind depends on how busy
// its machine is.
func (p *pool) unseen(ctx context.Context, s *session) bool {
	if s.last.Sequence > 0 || time.Since(s.opened) >= settling {
		return false
	}
	state, err := p.cfg.Ledger.State(ctx)
	if err != nil {
		return true // nobody can tell; what is asked again finds out
	}
	record, err := inference.Sessions.Get(state, s.id)
	return err == nil && !record.Closed && record.Closing == 0 && record.Sequence == 0
}

func newPool(cfg Config) (*pool, error) {
	p := &pool{
		cfg: cfg, relay: relayURL(cfg.Relay), http: &http.Client{}, slots: make(chan struct{}, cfg.Sessions),
		open: map[uint64]*session{}, tokenizers: map[crescendo.RungID]*tokenizer.Tokenizer{},
	}
	for _, id := range p.remembered() {
		p.open[id] = &session{id: id, broken: true}
	}
	if len(p.open) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		if err := p.close(ctx); err != nil {
			cfg.Log.Warn("close sessions of an earlier run", "error", err)
		}
	}
	return p, nil
}

// take returns a session with the service's vault for a rung: an idle one or a
// new one. It waits while all are in use.
func (p *pool) take(ctx context.Context, s service, o offer) (*session, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	var stale []*session
	var found *session
	rest := p.idle[:0]
	for _, i := range p.idle {
		switch {
		case i.vault != s.vault:
			stale = append(stale, i)
		case i.rung == o.rung && found == nil:
			found = i
		default:
			rest = append(rest, i)
		}
	}
	p.idle = rest
	p.mu.Unlock()
	for _, i := range stale {
		p.endSoon(i)
	}
	if found != nil {
		return found, nil
	}
	opened, err := p.begin(ctx, s, o)
	if err != nil {
		<-p.slots
	}
	return opened, err
}

// give takes a session back. A broken one is closed.
func (p *pool) give(s *session) {
	if s.broken {
		p.endSoon(s)
	} else {
		p.mu.Lock()
		p.idle = append(p.idle, s)
		p.mu.Unlock()
	}
	<-p.slots
}

// begin opens a session on the ledger.
func (p *pool) begin(ctx context.Context, s service, o offer) (*session, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make session key: %w", err)
	}
	escrow, err := o.escrow(p.cfg.Escrow)
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	result, err := p.cfg.Ledger.Submit(ctx, p.cfg.Signer, &inference.MsgOpen{
		Sender: p.cfg.Signer.Account(), Rung: o.rung, Vault: s.vault, Escrow: escrow, Key: public,
	})
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	id := uint64(0)
	for _, e := range result.Events {
		if e.Kind == "inference.opened" && e.Get("client") == string(p.cfg.Signer.Account()) {
			id, err = strconv.ParseUint(e.Get("session"), 10, 64)
		}
	}
	if err != nil || id == 0 {
		return nil, fmt.Errorf("open session: the ledger did not say its number")
	}
	opened := &session{
		id: id, rung: o.rung, opened: time.Now(), vault: s.vault, sealKey: s.record.SealKey, signKey: s.record.SignKey, key: private,
		terms: inference.Session{Escrow: escrow, InputPrice: o.price.InputPrice, OutputPrice: o.price.OutputPrice},
	}
	p.mu.Lock()
	p.open[id] = opened
	p.mu.Unlock()
	p.remember(id)
	p.cfg.Log.Info("session opened", "session", id, "rung", o.rung, "vault", s.vault.Short(), "escrow", escrow, "assurance", s.record.Assurance)
	return opened, nil
}

// endSoon ends a session that is not used any more. If that fails it stays among
// those that are open, which are ended when the proxy stops or starts again.
func (p *pool) endSoon(s *session) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		if err := p.end(ctx, s); err != nil {
			p.cfg.Log.Warn("end session", "error", err)
		}
	}()
}

// end asks for what is left of a session's escrow.
func (p *pool) end(ctx context.Context, s *session) error {
	_, err := p.cfg.Ledger.Submit(ctx, p.cfg.Signer, &inference.MsgClose{Sender: p.cfg.Signer.Account(), Session: s.id})
	if code := crescendo.CodeOf(err); err != nil && code != crescendo.CodeDuplicate && code != crescendo.CodeNotFound {
		return fmt.Errorf("close session %d: %w", s.id, err)
	}
	p.mu.Lock()
	delete(p.open, s.id)
	p.mu.Unlock()
	p.rewrite()
	return nil
}

// close ends all sessions.
func (p *pool) close(ctx context.Context) error {
	p.mu.Lock()
	p.idle = nil
	all := make([]*session, 0, len(p.open))
	for _, s := range p.open {
		all = append(all, s)
	}
	p.mu.Unlock()
	var failed error
	for _, s := range all {
		failed = errors.Join(failed, p.end(ctx, s))
	}
	return failed
}

func (p *pool) file() string { return filepath.Join(p.cfg.Home, "sessions") }

// remembered reads the numbers of sessions that an earlier run left open.
func (p *pool) remembered() []uint64 {
	if p.cfg.Home == "" {
		return nil
	}
	data, err := os.ReadFile(p.file())
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			p.cfg.Log.Warn("read open sessions", "error", err)
		}
		return nil
	}
	var ids []uint64
	for lines := bufio.NewScanner(strings.NewReader(string(data))); lines.Scan() && len(ids) < 1<<12; {
		if id, err := strconv.ParseUint(lines.Text(), 10, 64); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// remember notes a session; losing the note costs a refund that somebody has
// to ask for by hand, so failures are only reported.
func (p *pool) remember(id uint64) {
	if p.cfg.Home == "" {
		return
	}
	err := os.MkdirAll(p.cfg.Home, 0o700)
	if err == nil {
		var f *os.File
		if f, err = os.OpenFile(p.file(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			_, err = fmt.Fprintln(f, id)
			err = errors.Join(err, f.Sync(), f.Close())
		}
	}
	if err != nil {
		p.cfg.Log.Warn("note open session", "session", id, "error", err)
	}
}

func (p *pool) rewrite() {
	if p.cfg.Home == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	for id := range p.open {
		fmt.Fprintln(&b, id)
	}
	tmp := p.file() + ".new"
	err := os.WriteFile(tmp, []byte(b.String()), 0o600)
	if err == nil {
		err = os.Rename(tmp, p.file())
	}
	if err != nil {
		p.cfg.Log.Warn("note open sessions", "error", err)
	}
}

const retryWait = 300 * time.Millisecond
