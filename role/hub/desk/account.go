package desk

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// standing is where an account stands in one rung.
type standing struct {
	Rung   crescendo.RungID
	Name   string
	Stage  string
	Shares crescendo.Amount
	Due    crescendo.Amount
}

type accountModel struct {
	Wallet   *wallet
	CSRF     string
	Denom    string
	Balance  crescendo.Amount
	Rungs    []standing
	Recent   []Transaction
	Pocket   crescendo.Amount // that is to be had; zero: none
	Workshop bool
}

func (d *Desk) accountPage(w http.ResponseWriter, r *http.Request, v visit) {
	ctx, cancel := context.WithTimeout(r.Context(), readTime)
	defer cancel()
	m, err := d.account(ctx, v.wallet)
	if err != nil {
		d.unread(w, r, err)
		return
	}
	m.CSRF = v.session.Token()
	if d.hasDemo(r) && !v.wallet.demo {
		if m.Pocket, err = d.pocket(ctx); err != nil {
			d.unread(w, r, err)
			return
		}
		if m.Balance >= m.Pocket {
			m.Pocket = 0
		}
	}
	m.Workshop = d.workshop(r, v)
	d.render(w, r, http.StatusOK, "Account", accountView(m))
}

func (d *Desk) account(ctx context.Context, who *wallet) (accountModel, error) {
	m := accountModel{Wallet: who, Recent: d.sent.of(who.account)}
	state, err := d.cfg.Ledger.State(ctx)
	if err != nil {
		return m, fmt.Errorf("read state: %w", err)
	}
	spec, err := program.Specs.Get(state)
	if err != nil {
		return m, fmt.Errorf("read programme: %w", err)
	}
	m.Denom = spec.Denom
	if m.Balance, err = d.cfg.Ledger.Balance(ctx, who.account); err != nil {
		return m, fmt.Errorf("read balance: %w", err)
	}
	for i, rung := range spec.Rungs {
		at := standing{Rung: crescendo.RungID(i + 1), Name: rung.Name}
		where, err := program.StateOf(state, at.Rung)
		if err != nil {
			return m, err
		}
		at.Stage = where.Stage.String()
		due, shares, err := dues(state, at.Rung, who.account)
		if err != nil {
			return m, err
		}
		at.Shares, at.Due = shares, due.Total()
		m.Rungs = append(m.Rungs, at)
	}
	return m, nil
}

// pocketPart is the part of its own money that the demo wallet gives a new
// wallet on a development chain.
const pocketPart = 4

// pocket is what a wallet may be given now.
func (d *Desk) pocket(ctx context.Context) (crescendo.Amount, error) {
	has, err := d.cfg.Ledger.Balance(ctx, d.cfg.Demo.Account())
	if err != nil {
		return 0, fmt.Errorf("read balance of the demo wallet: %w", err)
	}
	return has / pocketPart, nil
}

// pocketMoney lets the demo wallet of this machine pay a visitor's wallet, so
// that there is something to try things with.
func (d *Desk) pocketMoney(w http.ResponseWriter, r *http.Request, v visit) {
	if !d.hasDemo(r) || v.wallet.demo {
		d.refuse(w, r, http.StatusForbidden, crescendo.Errorf(crescendo.CodeForbidden, "pocket money: there is none here").
			WithHint("it exists on development chains only, for visitors on the machine itself"))
		return
	}
	amount, err := d.pocket(r.Context())
	var balance crescendo.Amount
	if err == nil {
		balance, err = d.cfg.Ledger.Balance(r.Context(), v.wallet.account)
	}
	if err == nil && balance >= amount {
		err = crescendo.Errorf(crescendo.CodeDuplicate, "pocket money: the account holds %d already", balance).WithHint("spend it first")
	}
	if err != nil {
		d.refuse(w, r, statusOf(err), err)
		return
	}
	state, err := d.cfg.Ledger.State(r.Context())
	if err != nil {
		d.unread(w, r, err)
		return
	}
	spec, err := program.Specs.Get(state)
	if err != nil {
		d.unread(w, r, err)
		return
	}
	result, err := d.submit(r.Context(), d.cfg.Demo, wire.Send(spec.Denom, d.cfg.Demo.Account(), v.wallet.account, amount))
	if err != nil {
		d.refuse(w, r, statusOf(err), err)
		return
	}
	d.say(v.session, page.Flash{Kind: "done", Text: "The demo wallet of this machine has paid you pocket money.", Link: "/tx/" + result.TxHash})
	http.Redirect(w, r, "/account", http.StatusSeeOther)
}

// Transaction is a transaction as its page shows it.
type Transaction struct {
	Hash     string
	Height   crescendo.Height
	Time     int64 // Unix milliseconds; zero: not known
	Signer   crescendo.Account
	Messages []crescendo.Message
	Events   []crescendo.Event
	Refused  string // why it changed nothing; empty: it did
	Hint     string
}

// Transactions finds transactions in the chain's history.
type Transactions interface {
	// Transaction returns a *crescendo.Error with CodeNotFound for what is not
	// there.
	Transaction(ctx context.Context, hash string) (Transaction, error)
}

// sentLog remembers the newest transactions sent from here, for the moment
// until the history has them.
type sentLog struct {
	mu  sync.Mutex
	all []Transaction // newest last
}

const (
	maxSent  = 1024
	maxShown = 10
)

func (s *sentLog) add(t Transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) >= maxSent {
		s.all = append(s.all[:0], s.all[maxSent/2:]...)
	}
	s.all = append(s.all, t)
}

func (s *sentLog) find(hash string) (Transaction, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.all {
		if t.Hash == hash {
			return t, true
		}
	}
	return Transaction{}, false
}

// of lists the newest transactions of an account, newest first.
func (s *sentLog) of(who crescendo.Account) []Transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Transaction
	for i := len(s.all) - 1; i >= 0 && len(out) < maxShown; i-- {
		if s.all[i].Signer == who {
			out = append(out, s.all[i])
		}
	}
	return out
}

// findTx is the search form.
func (d *Desk) findTx(w http.ResponseWriter, r *http.Request) {
	hash, ok := hashIn(r.URL.Query().Get("hash"))
	if r.URL.Query().Get("hash") == "" {
		d.render(w, r, http.StatusOK, "Find a transaction", searchView("", ""))
		return
	}
	if !ok {
		d.render(w, r, http.StatusUnprocessableEntity, "Find a transaction",
			searchView(r.URL.Query().Get("hash"), "that is no transaction hash: want 64 hexadecimal digits"))
		return
	}
	http.Redirect(w, r, "/tx/"+hash, http.StatusSeeOther)
}

// hashIn reads the hash of a transaction, in capitals as explorers write it.
func hashIn(s string) (string, bool) {
	if len(s) > 80 {
		return "", false
	}
	var b []byte
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'f':
			b = append(b, c-'a'+'A')
		case c >= '0' && c <= '9', c >= 'A' && c <= 'F':
			b = append(b, c)
		case c == ' ', len(b) == 1 && (c == 'x' || c == 'X'):
			b = b[:0]
		default:
			return "", false
		}
	}
	return string(b), len(b) == 64
}

func (d *Desk) txPage(w http.ResponseWriter, r *http.Request) {
	hash, ok := hashIn(r.PathValue("hash"))
	if !ok {
		d.refuse(w, r, http.StatusNotFound, crescendo.Errorf(crescendo.CodeNotFound, "that is no transaction hash").WithHint("want 64 hexadecimal digits"))
		return
	}
	t, err := d.transaction(r.Context(), hash)
	if err != nil {
		d.refuse(w, r, statusOf(err), err)
		return
	}
	d.render(w, r, http.StatusOK, "Transaction", txView(t))
}

func (d *Desk) transaction(ctx context.Context, hash string) (Transaction, error) {
	if d.cfg.Archive != nil {
		t, err := d.cfg.Archive.Transaction(ctx, hash)
		if err == nil || crescendo.CodeOf(err) != crescendo.CodeNotFound {
			return t, err
		}
	}
	for _, h := range []string{hash, lower(hash)} {
		if t, ok := d.sent.find(h); ok {
			return t, nil
		}
	}
	return Transaction{}, crescendo.Errorf(crescendo.CodeNotFound, "no transaction %s is known here", hash).
		WithHint("it may be in a block that this hub has not read yet: try again in a moment")
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'F' {
			b[i] = c - 'A' + 'a'
		}
	}
	return string(b)
}

func decimal[T ~int64 | ~uint64](n T) string {
	if n < 0 {
		return strconv.FormatInt(int64(n), 10)
	}
	return strconv.FormatUint(uint64(n), 10)
}
