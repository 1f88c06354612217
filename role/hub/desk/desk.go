// Package desk is where a hub's visitors do something: log in, fund, claim,
// enter a recipe, ask a model, and on a development chain break things on
// purpose. It stands behind its own guard against other sites' pages.
//
// Nothing here has power of its own: a visitor's wishes become the same signed
// messages that the command line sends, and the ledger decides. Reading the
// hub needs none of it.
package desk

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/role/blocks"
	"github.com/crescendo-network/crescendo/role/hub/desk/guard"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// devPrefix marks development chains: only there are demo wallets and buttons
// that break things.
const devPrefix = "crescendo-dev-"

// Frame is the hub around the desk.
type Frame interface {
	View(r *http.Request, title string) page.View
	Render(w http.ResponseWriter, r *http.Request, status int, v page.View, body templ.Component)
}

// Keys makes and loads the keys that the hub holds for its visitors.
type Keys interface {
	New(path string) (ledger.Signer, error)
	Load(path string) (ledger.Signer, error)
}

// Config is what a desk needs. What is nil is not offered.
type Config struct {
	Ledger  ledger.Ledger
	Frame   Frame
	Keys    Keys
	Home    string        // directory of wallets that the hub holds; "": none
	Demo    ledger.Signer // the demo wallet of this machine
	Relay   string        // where a vault can be asked; "": no playground
	Blobs   blob.Store
	RPC     string // standard endpoints that browser wallets are told of
	REST    string // empty: the ledger has none
	Hosts   []string
	TLS     bool
	Limits  guard.Limits
	Machine Machine // what development buttons work on
	Archive Transactions
	Log     *slog.Logger
	Now     func() time.Time
}

// Desk is the section of the hub for those who act.
type Desk struct {
	cfg      Config
	guard    *guard.Guard
	sessions *guard.Sessions
	logins   *attempts
	wallets  *wallets
	passkeys *passkeys
	signing  *signing
	sent     *sentLog
	entries  *entries // nil: none are kept
	play     *playground
	seen     *programme
}

// New makes a desk. Close ends what it has opened.
func New(cfg Config) (*Desk, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	g, err := guard.New(guard.Config{Hosts: cfg.Hosts, TLS: cfg.TLS, Limits: cfg.Limits, Now: cfg.Now})
	if err != nil {
		return nil, err
	}
	chain := digest.Sum("crescendo/hub/cookie", []byte(cfg.Ledger.ChainID()), []byte(strings.Join(cfg.Hosts, ",")))
	d := &Desk{
		cfg: cfg, guard: g, sessions: guard.NewSessions(hex.EncodeToString(chain[:4]), cfg.TLS, cfg.Now),
		logins: newAttempts(cfg.Now), signing: newSigning(cfg.Ledger), sent: &sentLog{}, play: newPlayground(cfg),
		seen: &programme{ledger: cfg.Ledger, now: cfg.Now},
	}
	if cfg.Home != "" && cfg.Keys != nil {
		if d.wallets, err = openWallets(cfg.Home, cfg.Keys); err != nil {
			return nil, err
		}
		if d.entries, err = openEntries(cfg.Home); err != nil {
			return nil, err
		}
		if d.passkeys, err = newPasskeys(cfg, d.wallets); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Close ends the sessions with vaults that visitors' questions opened.
func (d *Desk) Close(ctx context.Context) error { return d.play.close(ctx) }

// Wrap puts the guard in front of the whole site.
func (d *Desk) Wrap(next http.Handler) http.Handler { return d.guard.Wrap(next) }

// Visitor tells the frame who is there. What was to be said once is said now.
func (d *Desk) Visitor(r *http.Request) page.Visitor {
	s := d.sessions.Of(r)
	if s == nil {
		return page.Visitor{}
	}
	v := page.Visitor{CSRF: s.Token()}
	if w, ok := s.Account().(*wallet); ok {
		v.User = &page.User{Account: w.account, Name: w.name, Wallet: w.label}
	}
	v.Flash, _ = d.sessions.Take(s, noteFlash).(*page.Flash)
	return v
}

const noteFlash = "flash"

// Routes adds the desk's pages.
func (d *Desk) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /login", d.loginPage)
	mux.HandleFunc("POST /login/demo", d.post(d.loginDemo))
	mux.HandleFunc("POST /login/passkey/{step}", d.post(d.loginPasskey))
	mux.HandleFunc("POST /login/keplr", d.post(d.loginKeplr))
	mux.HandleFunc("POST /logout", d.post(d.logout))
	mux.HandleFunc("GET /account", d.mine(d.accountPage))
	mux.HandleFunc("POST /account/pocket-money", d.act(d.pocketMoney))
	mux.HandleFunc("GET /desk/{action}", d.mine(d.formPage))
	mux.HandleFunc("POST /desk/{action}", d.act(d.preview))
	mux.HandleFunc("POST /desk/{action}/confirm", d.act(d.confirm))
	mux.HandleFunc("POST /desk/{action}/sign", d.act(d.beginSigning))
	mux.HandleFunc("POST /desk/{action}/signature", d.act(d.endSigning))
	mux.HandleFunc("GET /playground", d.playPage)
	mux.HandleFunc("POST /playground", d.act(d.playForm))
	mux.HandleFunc("POST /playground/stream", d.act(d.playStream))
	mux.HandleFunc("GET /workshop", d.mine(d.workshopPage))
	mux.HandleFunc("POST /workshop/{button}", d.act(d.pressButton))
	mux.HandleFunc("GET /tx", d.findTx)
	mux.HandleFunc("GET /tx/{hash}", d.txPage)
	mux.HandleFunc("GET "+staticPrefix, serveStatic)
}

// development reports whether this request may use what exists on development
// chains only: it must come from this machine. Where somebody in front speaks
// HTTPS every request does, whoever sent it.
func (d *Desk) development(r *http.Request) bool {
	return strings.HasPrefix(d.cfg.Ledger.ChainID(), devPrefix) && !d.cfg.TLS && guard.Loopback(r)
}

// visit is a request of somebody with a session.
type visit struct {
	session *guard.Session
	wallet  *wallet // nil: not logged in
}

type visited func(w http.ResponseWriter, r *http.Request, v visit)

// post wraps a handler of forms that strangers may send: there must be a
// session, and the form must carry its token.
func (d *Desk) post(next visited) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := d.sessions.Of(r)
		if err := r.ParseForm(); err != nil { // of forms only: JSON is left where it is
			d.refuse(w, r, http.StatusBadRequest, tooLargeOr(err, "the form cannot be read"))
			return
		}
		given := r.Header.Get("X-CSRF-Token")
		if given == "" {
			given = r.PostForm.Get("csrf")
		}
		if !s.Genuine(given) {
			d.refuse(w, r, http.StatusForbidden, crescendo.Errorf(crescendo.CodeForbidden, "the form is not from a page of this session").
				WithHint("the session may be over: open the page again, log in, and send the form from there"))
			return
		}
		acting, _ := s.Account().(*wallet)
		next(w, r, visit{s, acting})
	}
}

func tooLargeOr(err error, text string) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return crescendo.Errorf(crescendo.CodeInvalid, "the request is above %d bytes", large.Limit).WithHint("send less at once")
	}
	return crescendo.Errorf(crescendo.CodeInvalid, "%s", text)
}

// act wraps a handler of forms for those who are logged in.
func (d *Desk) act(next visited) http.HandlerFunc {
	return d.post(func(w http.ResponseWriter, r *http.Request, v visit) {
		if v.wallet == nil {
			d.refuse(w, r, http.StatusUnauthorized, errNotLoggedIn)
			return
		}
		next(w, r, v)
	})
}

var errNotLoggedIn = crescendo.Errorf(crescendo.CodeForbidden, "nobody is logged in").WithHint("log in first; reading needs no login")

// mine wraps a page for those who are logged in.
func (d *Desk) mine(next visited) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := d.sessions.Of(r)
		acting, _ := s.Account().(*wallet)
		if acting == nil {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		next(w, r, visit{s, acting})
	}
}

// say keeps a message for the next page of the session.
func (d *Desk) say(s *guard.Session, f page.Flash) { d.sessions.Note(s, noteFlash, &f) }

func (d *Desk) render(w http.ResponseWriter, r *http.Request, status int, title string, body templ.Component) {
	d.cfg.Frame.Render(w, r, status, d.cfg.Frame.View(r, title), body)
}

// refuse shows what went wrong and what to do, and nothing of what is inside.
func (d *Desk) refuse(w http.ResponseWriter, r *http.Request, status int, err error) {
	text, hint := d.explain(r, err)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", fmt.Sprint(int(retryTime.Seconds())))
	}
	d.render(w, r, status, "Refused", page.Refusal(http.StatusText(status), text, hint))
}

// explain tells a visitor about an error: what rules say, he may read in full.
func (d *Desk) explain(r *http.Request, err error) (text, hint string) {
	var e *crescendo.Error
	switch {
	case errors.As(err, &e) && e.Code != crescendo.CodeInternal:
		return e.Text, e.Hint
	case unavailable(err):
		return "the ledger did not answer in time", "try again in a moment; if it was sent, the account page shows it"
	}
	d.cfg.Log.Warn("desk", "path", r.URL.Path, "error", err)
	return "something went wrong inside the hub", "the hub's log says what; nothing was sent unless the account page shows it"
}

// statusOf is the HTTP status of a refusal.
func statusOf(err error) int {
	if unavailable(err) {
		return http.StatusServiceUnavailable
	}
	switch crescendo.CodeOf(err) {
	case crescendo.CodeInvalid, crescendo.CodeFunds, crescendo.CodeWrongTime, crescendo.CodeDuplicate:
		return http.StatusUnprocessableEntity
	case crescendo.CodeForbidden:
		return http.StatusForbidden
	case crescendo.CodeNotFound:
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

// submitTime bounds how long a page waits for its transaction.
const submitTime = 30 * time.Second

// submit signs and sends a message and remembers it for its page.
func (d *Desk) submit(ctx context.Context, signer ledger.Signer, m crescendo.Message) (ledger.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, submitTime)
	defer cancel()
	result, err := d.cfg.Ledger.Submit(ctx, signer, m)
	if err != nil {
		return result, fmt.Errorf("submit %s: %w", m.TypeURL(), err)
	}
	d.sent.add(Transaction{Hash: result.TxHash, Height: result.Height, Signer: m.From(), Messages: []crescendo.Message{m}, Events: result.Events})
	return result, nil
}

// lookEvery is how many blocks pass before kept recipes are looked at again
// though nothing was heard of a competition.
const lookEvery = 20

// Run does for visitors what has its time: it shows recipes once entries have
// closed. It returns when ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	news := blocks.Follow(ctx, d.cfg.Ledger, d.cfg.Log)
	for next := crescendo.Height(0); ; {
		b, err := blocks.Wait(ctx, news)
		if err != nil {
			return nil // the end of ctx: nobody waits for what is left
		}
		heard := slices.ContainsFunc(b.Events, func(e crescendo.Event) bool {
			return strings.HasPrefix(e.Kind, "research.") || strings.HasPrefix(e.Kind, "season.")
		})
		if !heard && b.Height < next {
			continue
		}
		next = b.Height + lookEvery
		if err := d.showEntries(ctx); err != nil && ctx.Err() == nil {
			d.cfg.Log.Info("look for recipes to show", "error", err)
		}
	}
}
