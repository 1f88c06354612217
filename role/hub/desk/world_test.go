package desk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a-h/templ"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/ledgertest"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/role/hub/desk"
	"github.com/crescendo-network/crescendo/role/hub/desk/guard"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

const host = "localhost:8080"

var (
	demo   = memory.NewSigner("demo")
	author = memory.NewSigner("author")
)

// world is a hub's desk over the real rules: rung 1 has earned, rung 2 is
// being raised for, rung 3 has missed its soft cap.
type world struct {
	t     *testing.T
	chain *memory.Chain
	desk  *desk.Desk
	site  http.Handler
	home  string
	clock *clock
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// change alters a desk's configuration before it is made.
type change func(*desk.Config)

func open(t *testing.T, changes ...change) *world {
	t.Helper()
	return openChain(t, "", changes...)
}

func openChain(t *testing.T, chainID string, changes ...change) *world {
	t.Helper()
	g := ledgertest.NewGenesis()
	for range 2 {
		g.Spec.Rungs = append(g.Spec.Rungs, g.Spec.Rungs[0])
	}
	g.Spec.Rungs[1].Name, g.Spec.Rungs[2].Name = "second", "third"
	rules(&g.Spec)
	g.Balances[demo.Account()] = 100_000_000
	g.Balances[crescendo.Pot("revenue", 1)] = 10_000
	g.Balances[crescendo.Pot("funding", 3)] = 700
	if chainID == "" {
		chainID = g.ChainID
	}
	chain, err := memory.New(memory.Options{ChainID: chainID, Denom: g.Spec.Denom}, program.Rules{}, func(s kv.Store) error {
		return history(s, g.Spec)
	}, g.Balances)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, chain: chain, home: t.TempDir(), clock: &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	frame := &frame{}
	cfg := desk.Config{
		Ledger: chain, Frame: frame, Keys: &keys{}, Home: w.home, Demo: demo, Hosts: []string{host, "127.0.0.1:8080"}, Now: w.clock.Now,
		Limits: guard.Limits{Reads: guard.Rate{Burst: 1000, PerSecond: 1}, Writes: guard.Rate{Burst: 1000, PerSecond: 1}},
	}
	for _, c := range changes {
		c(&cfg)
	}
	if w.desk, err = desk.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.desk.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	frame.desk = w.desk
	mux := http.NewServeMux()
	w.desk.Routes(mux)
	w.site = w.desk.Wrap(mux)
	return w
}

func history(s kv.Store, spec program.Spec) error {
	steps := []func() error{
		func() error { return program.Genesis(s, spec) },
		func() error { return program.Rungs.Set(s, program.RungState{Stage: program.StageOpened}, uint32(1)) },
		func() error {
			return funding.Raises.Set(s, funding.Raise{Status: funding.Succeeded, SoftCap: 1, HardCap: 1000, Raised: 1000, Spent: 1000, Holders: 1}, uint32(1))
		},
		func() error {
			return funding.Positions.Set(s, funding.Position{Shares: 1000}, uint32(1), string(demo.Account()))
		},
		func() error { return revenue.OpenBook(crescendo.Env{}, s, 1, 5000, 1000) },
		func() error {
			return revenue.SetContributors(crescendo.Env{}, s, 1, []revenue.Point{{Account: demo.Account(), Points: 10}}, []revenue.Point{{Account: author.Account(), Points: 1}}, 1000)
		},
		func() error {
			_, err := revenue.Distribute(crescendo.Env{}, s, 1, 10_000, author.Account(), revenue.Split{OperatorsBP: 2000, HoldersBP: 5000, ContributorsBP: 2500})
			return err
		},
		func() error { return program.Rungs.Set(s, program.RungState{Stage: program.StageRaising}, uint32(2)) },
		func() error { return openCompetition(s, spec) },
		func() error { return funding.Open(crescendo.Env{}, s, 2, 50_000, 100_000, 1000) },
		func() error {
			return program.Rungs.Set(s, program.RungState{Stage: program.StageRefunding}, uint32(3))
		},
		func() error {
			return funding.Raises.Set(s, funding.Raise{Status: funding.Failed, SoftCap: 1000, HardCap: 2000, Raised: 700, Holders: 1}, uint32(3))
		},
		func() error {
			return funding.Positions.Set(s, funding.Position{Shares: 700}, uint32(3), string(demo.Account()))
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// frame is the hub around the desk.
type frame struct{ desk *desk.Desk }

func (f *frame) View(r *http.Request, title string) page.View {
	who := f.desk.Visitor(r)
	return page.View{Title: title, Path: r.URL.Path, Programme: "test", User: who.User, CSRF: who.CSRF, Flash: who.Flash}
}

func (f *frame) Render(w http.ResponseWriter, r *http.Request, status int, v page.View, body templ.Component) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	page.Shell(v, body).Render(r.Context(), w)
}

// keys are key files that hold the seed of a test's signer.
type keys struct{ mu sync.Mutex }

func (k *keys) New(path string) (ledger.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	seed := path + time.Now().String()
	if err := os.WriteFile(path, []byte(seed), 0o600); err != nil {
		return nil, err
	}
	return memory.NewSigner(seed), nil
}

func (k *keys) Load(path string) (ledger.Signer, error) {
	seed, err := os.ReadFile(path)
	if err != nil {
		return nil, crescendo.Errorf(crescendo.CodeNotFound, "no key")
	}
	return memory.NewSigner(string(seed)), nil
}

// browser is a visitor: cookies, and the token of the forms he last saw.
type browser struct {
	w       *world
	cookies map[string]string
	csrf    string
	from    string // RemoteAddr
	host    string
	headers map[string]string
}

func (w *world) browser() *browser {
	return &browser{w: w, cookies: map[string]string{}, from: "127.0.0.1:40000", host: host, headers: map[string]string{}}
}

type response struct {
	*http.Response
	body string
}

var tokenIn = regexp.MustCompile(`name="csrf" value="([^"]+)"|data-csrf="([^"]+)"`)

func (b *browser) send(method, path, kind string, body io.Reader) response {
	b.w.t.Helper()
	r := httptest.NewRequest(method, "http://"+b.host+path, body)
	r.RemoteAddr = b.from
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for name, value := range b.headers {
		r.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	b.w.site.ServeHTTP(rec, r)
	resp := rec.Result()
	text := rec.Body.String()
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	if m := tokenIn.FindStringSubmatch(text); m != nil {
		b.csrf = m[1] + m[2]
	}
	return response{resp, text}
}

func (b *browser) get(path string) response { b.w.t.Helper(); return b.send("GET", path, "", nil) }

// post sends a form with the token of the page it would be on.
func (b *browser) post(path string, fields ...string) response {
	b.w.t.Helper()
	form := url.Values{"csrf": {b.csrf}}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.send("POST", path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

// json sends what the script sends.
func (b *browser) json(path string, v any) response {
	b.w.t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		b.w.t.Fatal(err)
	}
	b.headers["X-CSRF-Token"], b.headers["Accept"] = b.csrf, "application/json"
	defer delete(b.headers, "X-CSRF-Token")
	defer delete(b.headers, "Accept")
	return b.send("POST", path, "application/json", bytes.NewReader(raw))
}

// loggedIn is a browser with the demo wallet.
func (w *world) loggedIn() *browser {
	w.t.Helper()
	b := w.browser()
	b.get("/login")
	if r := b.post("/login/demo"); r.StatusCode != http.StatusSeeOther {
		w.t.Fatalf("log in with the demo wallet: %d\n%s", r.StatusCode, r.body)
	}
	b.get("/account")
	return b
}

func (w *world) state() ledger.State {
	w.t.Helper()
	s, err := w.chain.State(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) height() crescendo.Height {
	w.t.Helper()
	h, err := w.chain.Head(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return h.Height
}

func (w *world) shares(rung crescendo.RungID, who crescendo.Account) crescendo.Amount {
	w.t.Helper()
	n, err := funding.Holding(w.state(), rung, who)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) balance(who crescendo.Account) crescendo.Amount {
	w.t.Helper()
	a, err := w.chain.Balance(context.Background(), who)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

var nonceIn = regexp.MustCompile(`name="nonce" value="([^"]+)"|data-nonce="([^"]+)"`)

func nonceOf(t *testing.T, r response) string {
	t.Helper()
	m := nonceIn.FindStringSubmatch(r.body)
	if m == nil {
		t.Fatalf("status %d, no preview in\n%s", r.StatusCode, r.body)
	}
	return m[1] + m[2]
}

// carryOut fills in a form, looks at the preview and confirms it.
func (b *browser) carryOut(action string, fields ...string) response {
	b.w.t.Helper()
	shown := b.post("/desk/"+action, fields...)
	return b.post("/desk/"+action+"/confirm", "nonce", nonceOf(b.w.t, shown))
}

var accountIn = regexp.MustCompile(`cresc1[a-z0-9]{38}`)

func homeIs(dir string) change { return func(c *desk.Config) { c.Home = dir } }

func send(from, to crescendo.Account, amount crescendo.Amount) crescendo.Message {
	return wire.Send("udemo", from, to, amount)
}
