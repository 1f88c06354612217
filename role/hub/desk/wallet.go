package desk

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/role/hub/desk/guard"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// wallet is an account that somebody has logged in with. Its fields never
// change.
type wallet struct {
	account crescendo.Account
	name    string
	label   string        // who holds the key
	signer  ledger.Signer // nil: the browser signs
	public  []byte
	demo    bool
}

// Labels say who holds the key, wherever an account is shown.
const (
	labelDemo    = "demo wallet of this machine"
	labelPasskey = "this hub holds the key"
	labelKeplr   = "your browser's wallet holds the key"
)

// short is an account as people read it.
func short(a crescendo.Account) string {
	if len(a) <= 16 {
		return string(a)
	}
	return string(a[:10]) + "…" + string(a[len(a)-4:])
}

// wallets are the keys that the hub holds for its visitors, one file each,
// readable for the hub's user only.
type wallets struct {
	dir  string
	keys Keys

	mu   sync.Mutex
	open map[crescendo.Account]ledger.Signer
}

// maxWallets bounds what strangers can make the hub keep.
const maxWallets = 4096

func openWallets(home string, keys Keys) (*wallets, error) {
	dir := filepath.Join(home, "wallets")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of wallets: %w", err)
	}
	return &wallets{dir: dir, keys: keys, open: map[crescendo.Account]ledger.Signer{}}, nil
}

func (w *wallets) path(a crescendo.Account) string { return filepath.Join(w.dir, string(a)+".key") }

// make creates a key.
func (w *wallets) make() (ledger.Signer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return nil, fmt.Errorf("list wallets: %w", err)
	}
	if len(entries) >= 2*maxWallets {
		return nil, crescendo.Errorf(crescendo.CodeForbidden, "make a wallet: this hub holds %d, as many as it may", maxWallets).
			WithHint("use a wallet of your own, such as Keplr, or the command line")
	}
	unnamed := filepath.Join(w.dir, "new.key")
	if err := os.Remove(unnamed); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("clear unfinished wallet: %w", err)
	}
	s, err := w.keys.New(unnamed)
	if err != nil {
		return nil, fmt.Errorf("make a wallet: %w", err)
	}
	if err := os.Rename(unnamed, w.path(s.Account())); err != nil {
		return nil, fmt.Errorf("keep a wallet: %w", err)
	}
	w.open[s.Account()] = s
	return s, nil
}

// get loads a key that was made before.
func (w *wallets) get(a crescendo.Account) (ledger.Signer, error) {
	if err := address.Validate(a); err != nil {
		return nil, crescendo.Errorf(crescendo.CodeInvalid, "open wallet: %v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.open[a]; s != nil {
		return s, nil
	}
	s, err := w.keys.Load(w.path(a))
	if err != nil {
		return nil, err
	}
	w.open[a] = s
	return s, nil
}

// attempts bounds how often one client may try to log in.
type attempts struct {
	now func() time.Time

	mu    sync.Mutex
	since time.Time
	count map[string]int
}

const (
	attemptsTime    = time.Minute
	attemptsAllowed = 20
	maxAttempters   = 8192
)

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, count: map[string]int{}}
}

// allow counts an attempt; the counts start over every minute, or when more
// clients try than can be counted.
func (a *attempts) allow(r *http.Request) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := a.now(); now.Sub(a.since) >= attemptsTime || len(a.count) >= maxAttempters {
		a.since = now
		clear(a.count)
	}
	name := guard.Client(r)
	if a.count[name]++; a.count[name] > attemptsAllowed {
		return crescendo.Errorf(crescendo.CodeForbidden, "log in: more than %d attempts in a minute", attemptsAllowed).WithHint("wait a minute")
	}
	return nil
}

func (d *Desk) loginPage(w http.ResponseWriter, r *http.Request) {
	s := d.sessions.Ensure(w, r)
	// The cookie may have been set just now: the frame does not see it yet.
	d.renderLogin(w, r, s.Token())
}

func (d *Desk) hasDemo(r *http.Request) bool { return d.cfg.Demo != nil && d.development(r) }

func (d *Desk) loginDemo(w http.ResponseWriter, r *http.Request, v visit) {
	if err := d.logins.allow(r); err != nil {
		d.refuse(w, r, http.StatusTooManyRequests, err)
		return
	}
	if !d.hasDemo(r) {
		d.refuse(w, r, http.StatusForbidden, crescendo.Errorf(crescendo.CodeForbidden, "log in: there is no demo wallet here").
			WithHint("a demo wallet exists on development chains only, for visitors on the machine itself; use a passkey or a wallet of your own"))
		return
	}
	s := d.cfg.Demo
	d.enter(w, r, &wallet{account: s.Account(), name: "demo wallet", label: labelDemo, signer: s, public: s.PublicKey(), demo: true})
}

// enter begins the session of somebody who has shown who he is.
func (d *Desk) enter(w http.ResponseWriter, r *http.Request, who *wallet) {
	s := d.sessions.Begin(w, r, who)
	text := fmt.Sprintf("You are logged in as %s: %s.", who.name, who.label)
	if who.demo {
		text = "You are logged in with the " + who.label + "."
	}
	d.say(s, page.Flash{Kind: "done", Text: text})
	if wantsJSON(r) {
		writeJSON(w, http.StatusOK, map[string]string{"next": "/account"})
		return
	}
	http.Redirect(w, r, "/account", http.StatusSeeOther)
}

func (d *Desk) logout(w http.ResponseWriter, r *http.Request, _ visit) {
	d.sessions.End(w, r)
	w.Header().Set("Clear-Site-Data", `"cache"`)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
