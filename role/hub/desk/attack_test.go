package desk_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/role/hub/desk"
	"github.com/crescendo-network/crescendo/role/hub/desk/guard"
)

func memorySigner(seed string) *memory.Signer { return memory.NewSigner(seed) }

func demoIs(s ledger.Signer) change { return func(c *desk.Config) { c.Demo = s } }

func ledgerIs(wrap func(ledger.Ledger) ledger.Ledger) change {
	return func(c *desk.Config) { c.Ledger = wrap(c.Ledger) }
}

// deaf is a ledger that cannot be reached while on.
type deaf struct {
	ledger.Ledger
	on *atomic.Bool
}

func (d deaf) State(ctx context.Context) (ledger.State, error) {
	if d.on.Load() {
		return nil, fmt.Errorf("secret detail: %w", ledger.ErrUnavailable)
	}
	return d.Ledger.State(ctx)
}

func (d deaf) Submit(ctx context.Context, s ledger.Signer, m ...crescendo.Message) (ledger.Result, error) {
	if d.on.Load() {
		return ledger.Result{}, fmt.Errorf("secret detail: %w", ledger.ErrUnavailable)
	}
	return d.Ledger.Submit(ctx, s, m...)
}

// counted counts how often the ledger's state is asked for.
type counted struct {
	ledger.Ledger
	asked *atomic.Int64
}

func (c counted) State(ctx context.Context) (ledger.State, error) {
	c.asked.Add(1)
	return c.Ledger.State(ctx)
}

// workshop is a machine whose buttons were pressed.
type workshop struct{ pressed []string }

func (m *workshop) Press(_ context.Context, button string) (desk.Pressed, error) {
	m.pressed = append(m.pressed, button)
	if button == "corrupt-blob" {
		return desk.Pressed{}, crescendo.Errorf(crescendo.CodeWrongTime, "no blob yet").WithHint("wait for a round")
	}
	return desk.Pressed{Done: "trainer-1 was killed", Watch: "/network"}, nil
}

// Another site's page cannot make a visitor's browser do anything: neither
// with his cookie, nor with a token of its own.
func TestOtherSitesCannotAct(t *testing.T) {
	for name, attack := range map[string]func(b *browser){
		"no token":             func(b *browser) { b.csrf = "" },
		"a made-up token":      func(b *browser) { b.csrf = strings.Repeat("A", len(b.csrf)) },
		"token of another":     func(b *browser) { b.csrf = b.w.loggedIn().csrf },
		"cross-site":           func(b *browser) { b.headers["Sec-Fetch-Site"] = "cross-site" },
		"same site, other":     func(b *browser) { b.headers["Sec-Fetch-Site"] = "same-site" },
		"origin of another":    func(b *browser) { b.headers["Origin"] = "http://evil.example" },
		"origin of a port":     func(b *browser) { b.headers["Origin"] = "http://localhost:9999" },
		"opaque origin":        func(b *browser) { b.headers["Origin"] = "null" },
		"rebound name":         func(b *browser) { b.host = "evil.example:8080" },
		"rebound, own origin":  func(b *browser) { b.host = "evil.example:8080"; b.headers["Origin"] = "http://evil.example:8080" },
		"another port":         func(b *browser) { b.host = "localhost:9999" },
		"without the cookie":   func(b *browser) { clear(b.cookies) },
		"a made-up cookie":     func(b *browser) { setAll(b.cookies, strings.Repeat("A", 43)) },
		"an endless cookie":    func(b *browser) { setAll(b.cookies, strings.Repeat("A", 4000)) },
		"cross-site navigated": func(b *browser) { b.headers["Sec-Fetch-Site"] = "cross-site"; b.headers["Sec-Fetch-Mode"] = "navigate" },
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			b := w.loggedIn()
			nonce := nonceOf(t, b.post("/desk/fund", "rung", "2", "amount", "10"))
			before := w.height()
			attack(b)
			r := b.post("/desk/fund/confirm", "nonce", nonce)
			if r.StatusCode < 400 {
				t.Errorf("status %d", r.StatusCode)
			}
			if w.height() != before || w.shares(2, demo.Account()) != 0 {
				t.Error("it went through")
			}
		})
	}
}

func setAll(cookies map[string]string, value string) {
	for name := range cookies {
		cookies[name] = value
	}
}

// The control for the attacks above: without one, it goes through.
func TestOwnPageCanAct(t *testing.T) {
	w := open(t)
	b := w.loggedIn()
	b.headers["Origin"], b.headers["Sec-Fetch-Site"] = "http://"+host, "same-origin"
	wantRedirect(t, b.carryOut("fund", "rung", "2", "amount", "10"), "/tx/")
}

func TestReadingFromOtherSites(t *testing.T) {
	w := open(t)
	for name, c := range map[string]struct {
		mode, dest string
		status     int
	}{
		"a link":         {"navigate", "document", http.StatusOK},
		"a frame":        {"navigate", "iframe", http.StatusForbidden},
		"an image":       {"no-cors", "image", http.StatusForbidden},
		"a script":       {"no-cors", "script", http.StatusForbidden},
		"a fetch":        {"cors", "empty", http.StatusForbidden},
		"a fetched page": {"navigate", "", http.StatusForbidden},
	} {
		b := w.browser()
		b.headers = map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": c.mode, "Sec-Fetch-Dest": c.dest}
		if r := b.get("/tx"); r.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d", name, r.StatusCode, c.status)
		}
	}
}

// A number known before the login is worth nothing after it, and one that was
// logged out is worth nothing at all.
func TestSessionsAreNotReplayed(t *testing.T) {
	w := open(t)
	b := w.browser()
	b.get("/login")
	fixed := clone(b.cookies)
	wantRedirect(t, b.post("/login/demo"), "/account")
	inside := clone(b.cookies)
	if fmt.Sprint(fixed) == fmt.Sprint(inside) {
		t.Fatal("the login kept the session's number")
	}
	thief := w.browser()
	thief.cookies = fixed
	wantRedirect(t, thief.get("/account"), "/login")
	b.get("/account")
	wantRedirect(t, b.post("/logout"), "/")
	thief.cookies = inside
	wantRedirect(t, thief.get("/account"), "/login")
}

func clone(m map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

func TestCookie(t *testing.T) {
	for name, tls := range map[string]bool{"plain": false, "TLS": true} {
		w := open(t, func(c *desk.Config) { c.TLS = tls })
		cookies := w.browser().get("/login").Cookies()
		if len(cookies) != 1 {
			t.Fatalf("%s: %d cookies", name, len(cookies))
		}
		c := cookies[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.Secure != tls ||
			strings.HasPrefix(c.Name, "__Host-") != tls || len(c.Value) < 43 {
			t.Errorf("%s: %v", name, c)
		}
	}
}

func TestOversizedRequests(t *testing.T) {
	w := open(t)
	b := w.loggedIn()
	before := w.height()
	large := b.post("/desk/fund", "rung", "2", "amount", strings.Repeat("1", 100_000))
	if large.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("announced size: status %d", large.StatusCode)
	}
	streamed := b.send("POST", "/desk/fund", "application/x-www-form-urlencoded", struct{ *strings.Reader }{strings.NewReader("amount=" + strings.Repeat("1", 100_000))})
	if streamed.StatusCode < 400 {
		t.Errorf("size not announced: status %d", streamed.StatusCode)
	}
	for _, raw := range []string{"{", "[]", `{"public_key":5}`, `{"other":1}`, strings.Repeat("[", 60_000)} {
		b.headers["X-CSRF-Token"] = b.csrf
		if r := b.send("POST", "/login/keplr", "application/json", strings.NewReader(raw)); r.StatusCode < 400 || r.StatusCode >= 500 {
			t.Errorf("%.20q: status %d", raw, r.StatusCode)
		}
	}
	if w.height() != before {
		t.Error("a block was made")
	}
}

func TestStrangersCannotAct(t *testing.T) {
	w := open(t, func(c *desk.Config) { c.Machine = &workshop{} })
	b := w.browser()
	b.get("/login") // a session, with a token, but nobody in it
	for _, path := range []string{"/desk/fund", "/desk/fund/confirm", "/desk/fund/sign", "/desk/fund/signature", "/playground",
		"/playground/stream", "/account/pocket-money", "/workshop/kill-trainer"} {
		if r := b.post(path, "rung", "2", "amount", "1"); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: status %d", path, r.StatusCode)
		}
	}
	for _, path := range []string{"/account", "/desk/fund", "/workshop"} {
		wantRedirect(t, b.get(path), "/login")
	}
	if w.height() != 0 {
		t.Error("a block was made")
	}
}

func TestDemoWalletIsForThisMachineOnly(t *testing.T) {
	for name, c := range map[string]struct {
		chain string
		from  string
		with  map[string]string
		in    bool
	}{
		"this machine":    {"", "127.0.0.1:1", nil, true},
		"this machine, 6": {"", "[::1]:1", nil, true},
		"the network":     {"", "192.0.2.7:1", nil, false},
		"through a proxy": {"", "127.0.0.1:1", map[string]string{"X-Forwarded-For": "192.0.2.7"}, false},
		"another name":    {"", "127.0.0.1:1", map[string]string{"Host": "hub.example"}, false},
		"a quiet proxy":   {"", "127.0.0.1:1", map[string]string{"Via": "1.1 somewhere"}, false},
		"another chain":   {"crescendo-1", "127.0.0.1:1", nil, false},
		"almost a dev":    {"crescendo-developers-1", "127.0.0.1:1", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := openChain(t, c.chain, func(c *desk.Config) { c.Hosts = append(c.Hosts, "hub.example") }).browser()
			b.from = c.from
			for k, v := range c.with {
				if k == "Host" {
					b.host = v
				}
				b.headers[k] = v
			}
			page := b.get("/login")
			if strings.Contains(page.body, "/login/demo") != c.in {
				t.Errorf("offered: %v", !c.in)
			}
			if r := b.post("/login/demo"); (r.StatusCode == http.StatusSeeOther) != c.in {
				t.Errorf("status %d", r.StatusCode)
			}
		})
	}
}

func TestDevelopmentButtons(t *testing.T) {
	m := &workshop{}
	machine := func(c *desk.Config) { c.Machine = m }
	b := open(t, machine).loggedIn()
	wantText(t, b.get("/workshop"), http.StatusOK, "Kill a trainer", "Add a free rider", "Corrupt a blob")
	wantRedirect(t, b.post("/workshop/kill-trainer"), "/workshop")
	wantText(t, b.get("/workshop"), http.StatusOK, "trainer-1 was killed", `href="/network"`)
	wantRedirect(t, b.post("/workshop/corrupt-blob"), "/workshop")
	wantText(t, b.get("/workshop"), http.StatusOK, "no blob yet", "wait for a round")
	if r := b.post("/workshop/format-disk"); r.StatusCode != http.StatusNotFound {
		t.Errorf("unknown button: status %d", r.StatusCode)
	}
	if want := []string{"kill-trainer", "corrupt-blob"}; !slices.Equal(m.pressed, want) {
		t.Errorf("pressed %v, want %v", m.pressed, want)
	}
}

// Nobody but the demo wallet, on this machine, on a development chain.
func TestDevelopmentButtonsAreGuarded(t *testing.T) {
	m := &workshop{}
	machine := func(c *desk.Config) { c.Machine = m }
	far := open(t, machine).loggedIn()
	far.from = "192.0.2.7:1"
	keplr := open(t, machine).browser()
	keplr.keplrLogin(memorySigner("visitor"))
	keplr.get("/account")
	real := openChain(t, "crescendo-1", machine).browser()
	real.keplrLogin(memorySigner("visitor"))
	real.get("/account")
	none := open(t).loggedIn() // no machine: the hub mirrors another one
	crossed := open(t, machine).loggedIn()
	crossed.headers["Sec-Fetch-Site"] = "cross-site"
	for name, b := range map[string]*browser{"network": far, "other wallet": keplr, "real chain": real, "mirror": none, "cross-site": crossed} {
		if r := b.post("/workshop/kill-trainer"); r.StatusCode != http.StatusForbidden {
			t.Errorf("%s: status %d", name, r.StatusCode)
		}
		if r := b.get("/workshop"); r.StatusCode != http.StatusForbidden {
			t.Errorf("%s: page: status %d", name, r.StatusCode)
		}
	}
	if len(m.pressed) != 0 {
		t.Errorf("pressed %v", m.pressed)
	}
}

func TestLoginsAreLimited(t *testing.T) {
	w := open(t)
	b := w.browser()
	b.get("/login")
	var last response
	for range 21 {
		b.get("/login")
		last = b.post("/login/demo")
	}
	wantText(t, last, http.StatusTooManyRequests, "more than 20 attempts")
}

func TestWritesAreLimited(t *testing.T) {
	w := open(t, func(c *desk.Config) { c.Limits.Writes = guard.Rate{Burst: 3, PerSecond: 1} })
	b := w.loggedIn() // one
	for i := range 3 {
		r := b.post("/desk/fund", "rung", "2", "amount", "x")
		if limited := r.StatusCode == http.StatusTooManyRequests; limited != (i == 2) {
			t.Errorf("request %d: status %d", i, r.StatusCode)
		}
		if i == 2 && r.Header.Get("Retry-After") == "" {
			t.Error("nothing says when to come again")
		}
	}
	other := w.browser()
	other.from = "192.0.2.8:1"
	if r := other.get("/login"); r.StatusCode != http.StatusOK {
		t.Errorf("another client: status %d", r.StatusCode)
	}
}

func TestHeaders(t *testing.T) {
	w := open(t)
	b := w.browser()
	for _, path := range []string{"/login", "/no/such/page", "/desk/static/desk.js", "/tx"} {
		r := b.get(path)
		if got := r.Header.Get("Content-Security-Policy"); got != guard.Policy || strings.Contains(got, "unsafe") {
			t.Errorf("%s: policy %q", path, got)
		}
		for _, name := range []string{"X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy",
			"Cross-Origin-Resource-Policy", "Permissions-Policy"} {
			if r.Header.Get(name) == "" {
				t.Errorf("%s: no %s", path, name)
			}
		}
	}
	if r := b.get("/desk/static/../desk.go"); r.StatusCode == http.StatusOK {
		t.Error("a source file is served")
	}
}

// Inline code and styles would be stopped by the policy: there are none.
func TestPagesAreWithoutInlineCode(t *testing.T) {
	w := open(t, func(c *desk.Config) { c.Machine = &workshop{} })
	b := w.loggedIn()
	for _, path := range []string{"/login", "/account", "/desk/fund", "/playground", "/workshop", "/tx"} {
		body := b.get(path).body
		for _, bad := range []string{" onclick=", " onsubmit=", " style=", "<style", "javascript:"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s contains %q", path, bad)
			}
		}
		for _, script := range strings.Split(body, "<script")[1:] {
			if tag, rest, _ := strings.Cut(script, ">"); !strings.Contains(tag, "src=") || !strings.HasPrefix(rest, "</script>") {
				t.Errorf("%s: a script with code in the page: %.80q", path, script)
			}
		}
	}
}

// Key files are for the hub's user only, and pages never show them.
func TestWalletFilesAreClosed(t *testing.T) {
	w := open(t)
	b := w.browser()
	b.passkeyLogin(newAuthenticator(t))
	files, err := filepath.Glob(filepath.Join(w.home, "wallets", "*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %#o", f, info.Mode().Perm())
		}
	}
}
