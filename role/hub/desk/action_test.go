package desk_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
)

func wantRedirect(t *testing.T, r response, prefix string) string {
	t.Helper()
	to := r.Header.Get("Location")
	if r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, prefix) {
		t.Fatalf("status %d to %q, want a redirect to %s\n%s", r.StatusCode, to, prefix, r.body)
	}
	return to
}

func wantText(t *testing.T, r response, status int, texts ...string) {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("status %d, want %d\n%s", r.StatusCode, status, r.body)
	}
	for _, text := range texts {
		if !strings.Contains(r.body, text) {
			t.Errorf("no %q in\n%s", text, r.body)
		}
	}
}

func TestFund(t *testing.T) {
	w := open(t)
	b := w.loggedIn()
	before := w.height()
	shown := b.post("/desk/fund", "rung", "2", "amount", "1500")
	wantText(t, shown, http.StatusOK, "<b>1500</b> (0.0015 DEMO) from you to the pot @funding/2", "funding.contributed", "MsgContribute")
	if w.height() != before {
		t.Fatal("a preview made a block")
	}
	to := wantRedirect(t, b.post("/desk/fund/confirm", "nonce", nonceOf(t, shown)), "/tx/")
	if got := w.shares(2, demo.Account()); got != 1500 {
		t.Errorf("%d shares, want 1500", got)
	}
	wantText(t, b.get(to), http.StatusOK, "Carried out", "funding.contributed", string(demo.Account()), "Fund a raise: it is in block")
	if again := b.get(to); strings.Contains(again.body, "it is in block") {
		t.Error("what was to be said once was said twice")
	}
	wantText(t, b.get("/account"), http.StatusOK, to)
	wantRedirect(t, b.get("/tx?hash="+strings.TrimPrefix(to, "/tx/")), "/tx/")
}

func TestRefund(t *testing.T) {
	w := open(t)
	b := w.loggedIn()
	before := w.balance(demo.Account())
	wantRedirect(t, b.carryOut("refund", "rung", "3"), "/tx/")
	if got := w.balance(demo.Account()) - before; got != 700 {
		t.Errorf("refunded %d, want 700", got)
	}
	wantText(t, b.post("/desk/refund", "rung", "3"), http.StatusUnprocessableEntity, `role="alert"`)
}

func TestClaim(t *testing.T) {
	w := open(t)
	b := w.loggedIn()
	wantText(t, b.get("/desk/claim"), http.StatusOK, "as holder")
	before := w.balance(demo.Account())
	wantRedirect(t, b.carryOut("claim", "rung", "1"), "/tx/")
	got := w.balance(demo.Account()) - before
	// Of 10,000: 2,000 for operators; half of the rest for holders, all of
	// whose shares are ours; a quarter for contributors, less the royalty.
	if want := crescendo.Amount(4000 + 2000*9/10); got != want {
		t.Errorf("claimed %d, want %d", got, want)
	}
}

func TestReinvest(t *testing.T) {
	w := open(t)
	b := w.loggedIn()
	wantRedirect(t, b.carryOut("reinvest", "rung", "1", "into", "2"), "/tx/")
	if got := w.shares(2, demo.Account()); got != 5800 {
		t.Errorf("%d shares, want 5800", got)
	}
}

// Every refusal is shown at the form, with its remedy and with what was filled
// in, and changes nothing.
func TestRefusalsAreShownAtTheForm(t *testing.T) {
	w := open(t)
	b := w.loggedIn()
	before, app := w.height(), w.hash()
	for name, c := range map[string]struct {
		action string
		fields []string
		texts  []string
	}{
		"no amount":      {"fund", []string{"rung", "2"}, []string{"want decimal digits"}},
		"a fraction":     {"fund", []string{"rung", "2", "amount", "1.5"}, []string{"want decimal digits", `value="1.5"`, "without point or comma"}},
		"negative":       {"fund", []string{"rung", "2", "amount", "-1"}, []string{"want decimal digits"}},
		"zero":           {"fund", []string{"rung", "2", "amount", "0"}, []string{`role="alert"`, "zero"}},
		"too large":      {"fund", []string{"rung", "2", "amount", "99999999999999999999"}, []string{"want decimal digits"}},
		"above the cap":  {"fund", []string{"rung", "2", "amount", "200000"}, []string{"leaves room for 100000", "contribute at most 100000"}},
		"no such rung":   {"fund", []string{"rung", "9", "amount", "1"}, []string{"rungs 1 to 3"}},
		"not a rung":     {"fund", []string{"rung", "two", "amount", "1"}, []string{"want the number of a rung", "counted from 1"}},
		"wrong stage":    {"fund", []string{"rung", "1", "amount", "1"}, []string{"not raising", "wait for the rung"}},
		"no refund":      {"refund", []string{"rung", "2"}, []string{`role="alert"`}},
		"no due":         {"claim", []string{"rung", "3"}, []string{`role="alert"`}},
		"no open raise":  {"reinvest", []string{"rung", "1", "into", "3"}, []string{"not raising"}},
		"long field":     {"fund", []string{"rung", "2", "amount", strings.Repeat("1", 300)}, []string{"at most 256"}},
		"script":         {"fund", []string{"rung", "2", "amount", `"><script>alert(1)</script>`}, []string{"&lt;script&gt;"}},
		"rung in digits": {"fund", []string{"rung", "4294967298", "amount", "1"}, []string{"want the number of a rung"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.post("/desk/"+c.action, c.fields...)
			if r.StatusCode < 400 || r.StatusCode >= 500 {
				t.Errorf("status %d", r.StatusCode)
			}
			if strings.Contains(r.body, "<script>alert") {
				t.Error("what was filled in became code")
			}
			wantText(t, r, r.StatusCode, c.texts...)
		})
	}
	if w.height() != before || w.hash() != app {
		t.Errorf("refused forms changed the ledger: block %d, was %d", w.height(), before)
	}
}

func (w *world) hash() string {
	w.t.Helper()
	h, err := w.chain.Head(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return string(h.AppHash)
}

// The bank would refuse what an account has not got; the form says so first.
func TestPoorWalletIsToldAtTheForm(t *testing.T) {
	poor := memorySigner("poor")
	w := open(t, demoIs(poor))
	b := w.loggedIn()
	wantText(t, b.post("/desk/fund", "rung", "2", "amount", "5"), http.StatusUnprocessableEntity, "the account holds 0")
}

// A rule that refuses only when the message is in a block is heard at the form
// as well.
func TestStateMovesBetweenPreviewAndConfirmation(t *testing.T) {
	w := open(t)
	b := w.loggedIn()
	shown := b.post("/desk/fund", "rung", "2", "amount", "100000")
	other := w.loggedIn()
	wantRedirect(t, other.carryOut("fund", "rung", "2", "amount", "99999"), "/tx/")
	r := b.post("/desk/fund/confirm", "nonce", nonceOf(t, shown))
	wantText(t, r, http.StatusUnprocessableEntity, "leaves room for 1", `value="100000"`)
	if got := w.shares(2, demo.Account()); got != 99999 {
		t.Errorf("%d shares, want 99999", got)
	}
}

// Sending a confirmation twice sends one transaction.
func TestConfirmationCountsOnce(t *testing.T) {
	w := open(t)
	b := w.loggedIn()
	nonce := nonceOf(t, b.post("/desk/fund", "rung", "2", "amount", "10"))
	wantRedirect(t, b.post("/desk/fund/confirm", "nonce", nonce), "/tx/")
	wantText(t, b.post("/desk/fund/confirm", "nonce", nonce), http.StatusUnprocessableEntity, "has been used")
	wantText(t, b.post("/desk/refund/confirm", "nonce", nonceOf(t, b.post("/desk/fund", "rung", "2", "amount", "10"))), http.StatusUnprocessableEntity, "has been used")
	if got := w.shares(2, demo.Account()); got != 10 {
		t.Errorf("%d shares, want 10", got)
	}
}

func TestUnavailableLedgerIsSaidPlainly(t *testing.T) {
	var on atomic.Bool
	w := open(t, ledgerIs(func(l ledger.Ledger) ledger.Ledger { return deaf{l, &on} }))
	b := w.loggedIn()
	shown := nonceOf(t, b.post("/desk/fund", "rung", "2", "amount", "10"))
	on.Store(true)
	w.clock.pass(time.Minute) // what was seen before is old
	check := func(name string, r response, again bool) {
		t.Helper()
		wantText(t, r, http.StatusServiceUnavailable, "gives no answer")
		if strings.Contains(r.body, "secret detail") {
			t.Errorf("%s shows what is inside", name)
		}
		if r.Header.Get("Retry-After") == "" || strings.Contains(r.body, "data-again") != again {
			t.Errorf("%s: Retry-After %q, asked again: %v, want %v", name, r.Header.Get("Retry-After"), !again, again)
		}
	}
	for _, path := range []string{"/login", "/playground", "/account", "/desk/fund"} {
		check(path, b.get(path), true)
	}
	check("a question", b.post("/playground", question...), false)
	check("a form", b.post("/desk/fund", "rung", "2", "amount", "10"), false)
	before := w.height()
	check("a confirmation", b.post("/desk/fund/confirm", "nonce", shown), false)
	if w.height() != before {
		t.Error("a block was made")
	}
	on.Store(false)
	w.clock.pass(time.Minute)
	wantText(t, b.get("/playground"), http.StatusOK, "func (b *Buffer)")
}

// However many strangers look, the ledger is asked once in a while.
func TestStrangersDoNotLoadTheLedger(t *testing.T) {
	var asked atomic.Int64
	w := open(t, ledgerIs(func(l ledger.Ledger) ledger.Ledger { return counted{l, &asked} }))
	b := w.browser()
	for range 50 {
		b.get("/login")
		b.get("/playground")
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("100 pages asked the ledger %d times", n)
	}
	w.clock.pass(time.Minute)
	b.get("/playground")
	if n := asked.Load(); n != 2 {
		t.Errorf("a minute later it was asked %d times in all: pages would show what is old", n)
	}
}

func TestUnknownTransaction(t *testing.T) {
	b := open(t).browser()
	wantText(t, b.get("/tx/"+strings.Repeat("AB", 32)), http.StatusNotFound, "no transaction")
	wantText(t, b.get("/tx/nonsense"), http.StatusNotFound, "64 hexadecimal digits")
	wantText(t, b.get("/tx?hash=zz"), http.StatusUnprocessableEntity, "64 hexadecimal digits")
}

func TestPocketMoney(t *testing.T) {
	w := open(t)
	b := w.browser()
	who := b.keplrLogin(memorySigner("visitor"))
	wantText(t, b.get("/account"), http.StatusOK, "Get pocket money", "your browser&#39;s wallet holds the key")
	wantRedirect(t, b.post("/account/pocket-money"), "/account")
	if got := w.balance(who); got != 25_000_000 {
		t.Errorf("balance %d", got)
	}
	wantText(t, b.post("/account/pocket-money"), http.StatusUnprocessableEntity, "holds 25000000 already")
}

func TestSessionsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		each time.Duration
		n    int
		in   bool
	}{
		"used":     {29 * time.Minute, 3, true},
		"idle":     {30 * time.Minute, 1, false},
		"for long": {29 * time.Minute, 25, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			b := w.loggedIn()
			var r response
			for range c.n {
				w.clock.pass(c.each)
				r = b.get("/account")
			}
			if in := r.StatusCode == http.StatusOK; in != c.in {
				t.Errorf("status %d after %d times %s", r.StatusCode, c.n, c.each)
			}
		})
	}
}
