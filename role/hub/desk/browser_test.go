package desk_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/role/hub/desk"
	"github.com/crescendo-network/crescendo/role/hub/desk/guard"
	"github.com/crescendo-network/crescendo/role/hub/static"
)

// chromium is a real browser before a desk. What goes wrong in its pages fails
// the test.
type chromium struct {
	t   *testing.T
	ctx context.Context
	hub string
	*world

	mu    sync.Mutex
	wrong []string // guarded by mu
}

func browse(t *testing.T, changes ...change) *chromium {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes long")
	}
	path := os.Getenv("CRESCENDO_CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		if os.Getenv("CRESCENDO_BROWSER") == "required" {
			t.Fatal("no Chromium is installed, and CRESCENDO_BROWSER=required")
		}
		t.Skip("no Chromium is installed: apt-get install chromium, or name one in CRESCENDO_CHROMIUM")
	}
	server := httptest.NewUnstartedServer(nil)
	hosts, err := guard.HostsOf(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	w := open(t, append(changes, func(c *desk.Config) { c.Hosts = hosts })...)
	mux := http.NewServeMux()
	w.desk.Routes(mux)
	mux.Handle("GET "+static.Prefix, static.Handler())
	mux.HandleFunc("GET /{$}", func(rw http.ResponseWriter, _ *http.Request) { io.WriteString(rw, "the front page") })
	server.Config.Handler = w.desk.Wrap(mux)
	server.Start()
	t.Cleanup(server.Close)
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // it ends only what would never end
	t.Cleanup(cancel)
	ctx, closeBrowser := chromedp.NewExecAllocator(ctx, append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WSURLReadTimeout(2*time.Minute))...)
	t.Cleanup(closeBrowser)
	ctx, closeTab := chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(closeTab)
	b := &chromium{t: t, ctx: ctx, hub: "http://localhost:" + port, world: w}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	command(b, audits.Enable, cdp.Empty{})
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, w := range b.wrong {
			t.Errorf("in the browser: %s", w)
		}
	})
	return b
}

func (b *chromium) hear(event any) {
	wrong := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		wrong = (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error()
	case *audits.EventIssueAdded:
		if d := e.Issue.Details; d != nil && d.ContentSecurityPolicyIssueDetails != nil {
			wrong = "policy violated: " + d.ContentSecurityPolicyIssueDetails.ViolatedDirective
		}
	}
	if wrong != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.wrong = append(b.wrong, wrong)
	}
}

func command[P, R any](b *chromium, c cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, c, params); err != nil {
		b.t.Fatalf("%s: %v", c.Method, err)
	}
}

func (b *chromium) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("in the browser: %v\n%s", err, b.says())
	}
}

func (b *chromium) visit(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.hub + path))
}

// click clicks an element of a page that has been loaded. A page that is
// replaced at that very moment takes the element with it: then it is looked
// for again on the next one.
func (b *chromium) click(selector string) {
	b.t.Helper()
	for {
		b.match(nil)
		err := chromedp.Do(b.ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
		if err == nil {
			return
		}
		if b.ctx.Err() != nil || !strings.Contains(err.Error(), "node") {
			b.t.Fatalf("click %s: %v\n%s", selector, err, b.says())
		}
	}
}

func (b *chromium) says() string {
	s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return s
}

// until waits for a text on the page, across pages.
func (b *chromium) until(text string) {
	b.t.Helper()
	b.match(regexp.MustCompile(regexp.QuoteMeta(text)))
}

// match waits for a page that has been loaded and says what matches, which it
// returns: asked a second time, the browser may be on its way to another page.
func (b *chromium) match(pattern *regexp.Regexp) string {
	b.t.Helper()
	for {
		said, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.readyState === "complete" ? document.body.innerText : ""`))
		switch {
		case err == nil && pattern == nil && said != "":
			return ""
		case err == nil && pattern != nil && pattern.MatchString(said):
			return pattern.FindString(said)
		case b.ctx.Err() != nil:
			b.t.Fatalf("nothing matches %v; the page says:\n%s", pattern, said)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// A passkey makes a wallet and unlocks it again, in a real browser.
func TestPasskeyInChromium(t *testing.T) {
	b := browse(t)
	b.visit("/login")
	command(b, webauthn.Enable, webauthn.EnableParams{})
	command(b, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	b.click("[data-passkey] [data-do=register]")
	b.until("this hub holds the key")
	account := b.match(accountIn)
	b.click("form[action='/account/pocket-money'] button")
	b.until("has paid you pocket money")
	b.click("form[action='/logout'] button")
	b.until("the front page")
	b.visit("/login")
	b.click("[data-passkey] [data-do=ask]")
	b.until(account)
}

// A wallet in the browser logs in and signs; the hub has no key.
func TestKeplrInChromium(t *testing.T) {
	var signed []byte
	b := browse(t, ledgerIs(func(l ledger.Ledger) ledger.Ledger { return asksBrowser{l, &signed} }))
	who := memorySigner("visitor")
	if _, err := b.chain.Submit(t.Context(), demo, send(demo.Account(), who.Account(), 1000)); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.ExposeFunc("signText", func(_ context.Context, text string) (string, error) {
		signature, err := who.Sign(adr036(who.Account(), text))
		return base64.StdEncoding.EncodeToString(signature), err
	}))
	command(b, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: fmt.Sprintf(`
		window.keplr = {
			experimentalSuggestChain: async (info) => { if (info.bech32Config.bech32PrefixAccAddr !== "cresc") throw new Error("prefix"); },
			enable: async () => {},
			getKey: async () => ({bech32Address: %q, pubKey: Uint8Array.from(atob(%q), (c) => c.charCodeAt(0))}),
			signArbitrary: async (chain, who, text) => ({signature: await signText(text)}),
			signDirect: async (chain, who, doc) => {
				const text = new TextDecoder().decode(doc.bodyBytes) + new TextDecoder().decode(doc.authInfoBytes) + doc.chainId + doc.accountNumber;
				if (text !== "bodyauthchain7") throw new Error("document: " + text);
				return {signature: {signature: btoa("s".repeat(64))}};
			},
		};`, who.Account(), base64.StdEncoding.EncodeToString(who.PublicKey()))})
	b.visit("/login")
	b.click("[data-keplr] [data-do=keplr]")
	b.until("your browser's wallet holds the key")
	b.visit("/desk/fund?rung=2&amount=10")
	b.click("form.desk-card button")
	b.until("what it would do")
	b.click("[data-do=sign]")
	b.until("it is in block")
	if got := b.shares(2, who.Account()); got != 10 || string(signed) != strings.Repeat("s", 64) {
		t.Errorf("%d shares, signature %q", got, signed)
	}
}

// An answer appears as it comes, with everything that was said about it.
func TestPlaygroundInChromium(t *testing.T) {
	b := browse(t, relayed)
	half := make(chan struct{})
	proxied(t, b.world, func(rw http.ResponseWriter, _ bool) {
		io.WriteString(rw, "data: {\"choices\":[{\"text\":\"<b>re\"}]}\n\n")
		http.NewResponseController(rw).Flush()
		<-half
		io.WriteString(rw, "data: {\"choices\":[{\"text\":\"turn\",\"finish_reason\":\"stop\"}]}\n\n"+
			"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n")
	})
	b.visit("/login")
	b.click("form[action='/login/demo'] button")
	b.until("demo wallet of this machine")
	b.visit("/playground")
	b.do(chromedp.SetValue(chromedp.CSS("#f-prompt"), "func main() {\n"), chromedp.SetValue(chromedp.CSS("#f-tokens"), "5"))
	b.click("[data-play] button")
	b.until("<b>re")
	close(half)
	b.until("<b>return")
	b.until("number 3 of session 7: 12 charged in all")
	b.until("simulated: the operator can read everything")
}
