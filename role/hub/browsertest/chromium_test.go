package browsertest

import (
	"context"
	"fmt"

	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// chromium is one browser with a profile of its own.
type chromium struct {
	ctx context.Context
	hub string // origin of the hub: nothing else may be asked for anything
}

// startChromium starts a browser for the test, or skips it where there is
// none.
func startChromium(t *testing.T, hub string) *chromium {
	t.Helper()
	requireChromium(t)
	profile, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(profile) })
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(chromiumPath()), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("lang", "en-US"),
		chromedp.WSURLReadTimeout(2*time.Minute),
	)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	quiet := func(string, ...any) {} // it warns of every event it does not know
	ctx, stop := chromedp.NewContext(ctx, chromedp.WithErrorf(quiet))
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", chromiumPath(), err)
	}
	return &chromium{ctx, hub}
}

// requireChromium skips the test where there is no browser, unless one has to
// be there.
func requireChromium(t *testing.T) {
	t.Helper()
	if chromiumPath() != "" {
		return
	}
	if os.Getenv("CRESCENDO_BROWSER") == "required" {
		t.Fatal("no Chromium is installed, and CRESCENDO_BROWSER=required")
	}
	t.Skip("no Chromium is installed: apt-get install chromium, or name one in CRESCENDO_CHROMIUM")
}

// chromiumPath is empty where no browser is installed.
func chromiumPath() string {
	if path := os.Getenv("CRESCENDO_CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// look is how a tab shows pages.
type look struct {
	width, height int64
	dark          bool
	noScript      bool
	scale         float64
}

var (
	desktop = look{width: 1400, height: 1000}
	phone   = look{width: 320, height: 640} // the narrowest that WCAG 1.4.10 asks for
)

func (l look) String() string {
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	return fmt.Sprintf("%d-%s", l.width, scheme)
}

// tab is a page that is open, and what was wrong with it so far.
type tab struct {
	t   *testing.T
	ctx context.Context
	hub string

	mu       sync.Mutex
	wrong    []string // guarded by mu
	forgiven []string // guarded by mu
}

// open opens a tab for the test. When the test ends, whatever went wrong in
// the tab fails it: errors on the console, violations of the hub's policy,
// requests to anybody else.
func (b *chromium) open(t *testing.T, l look) *tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(b.ctx)
	p := &tab{t: t, ctx: ctx, hub: b.hub}
	t.Cleanup(func() {
		p.clean()
		closeTab()
	})
	if err := chromedp.Listen(ctx, p.hear); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	scale := l.scale
	if scale == 0 {
		scale = 1
	}
	call(p, network.Enable, network.EnableParams{})
	call(p, audits.Enable, cdp.Empty{})
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: l.width, Height: l.height, DeviceScaleFactor: scale, Mobile: l.width < 600,
	})
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	call(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: l.noScript})
	return p
}

// call sends one command of the protocol.
func call[P, R any](p *tab, command cdp.Command[P, R], params P) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, command, params); err != nil {
		p.t.Fatalf("%s: %v", command.Method, err)
	}
}

// hear notes what may not happen.
func (p *tab) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.complain("%v", &chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails})
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "assert" {
			var said []string
			for _, a := range e.Args {
				said = append(said, strings.Trim(string(a.Value), `"`)+a.Description)
			}
			p.complain("console: %s", strings.Join(said, " "))
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError {
			p.complain("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *audits.EventIssueAdded:
		if d := e.Issue.Details; d != nil && d.ContentSecurityPolicyIssueDetails != nil {
			v := d.ContentSecurityPolicyIssueDetails
			p.complain("policy: %s violated by %s", v.ViolatedDirective, v.BlockedURL)
		}
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, p.hub+"/") && !strings.HasPrefix(url, "data:") && url != "about:blank" {
			p.complain("request to somebody else: %s", url)
		}
	}
}

func (p *tab) complain(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if slices.ContainsFunc(p.forgiven, func(part string) bool { return strings.Contains(text, part) }) {
		return
	}
	if len(p.wrong) < 50 {
		p.wrong = append(p.wrong, text)
	}
}

// forgive takes complaints that have this in them for no errors from now on: the
// test has asked for them.
func (p *tab) forgive(part string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgiven = append(p.forgiven, part)
}

// clean fails the test if anything is wrong so far.
func (p *tab) clean() {
	p.t.Helper()
	for _, w := range p.take() {
		p.t.Errorf("in the browser: %s", w)
	}
}

// take returns what is wrong and forgets it.
func (p *tab) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.wrong
	p.wrong = nil
	return w
}

// run carries out actions.
func (p *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("in the browser: %v", err)
	}
}

// visit loads a page of the hub.
func (p *tab) visit(path string) {
	p.t.Helper()
	p.run(chromedp.Navigate(p.hub + path))
}

// load loads a page of the hub, again while the ledger behind it is too busy.
func (p *tab) load(path string) {
	p.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Second) {
		p.visit(path)
		if value[int](p, `performance.getEntriesByType("navigation")[0]?.responseStatus ?? 0`) != 503 || time.Now().After(end) {
			return
		}
		p.t.Logf("%s: %v", path, p.take())
	}
}

// value evaluates an expression in the page.
func value[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	out, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("evaluate %.200s: %v", expression, err)
	}
	return out
}

// patience bounds waits for what real processes do; machines differ. It only
// ends what would never end.
const patience = 10 * time.Minute

// until waits for an expression to become true, across navigations.
func (p *tab) until(what, expression string) {
	p.t.Helper()
	p.told(what, fmt.Sprintf(`(%s) ? "so" : ""`, expression))
}

// told waits for an expression to become a text that is not empty, across
// navigations, and returns it. What a test wants to know together it has to ask
// for together: a moment later the page may be another one.
func (p *tab) told(what, expression string) string {
	p.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
		said, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
		cancel()
		switch {
		case err == nil && said != "":
			return said
		case p.ctx.Err() != nil:
			p.t.Fatalf("wait for %s: the browser is gone", what)
		case time.Now().After(end):
			p.t.Fatalf("waited %v for: %s (last: %v); the page says:\n%.2000s", patience, what, err, p.text())
		}
	}
}

// within reports whether an expression becomes true in so much time.
func (p *tab) within(limit time.Duration, expression string) bool {
	p.t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(200 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		cancel()
		if err == nil && is {
			return true
		}
		if p.ctx.Err() != nil || time.Now().After(end) {
			return false
		}
	}
}

// reloaded waits for an expression to become a text that is not empty on a page
// that does not update itself: it is loaded again and again. What the browser
// notes about answers that are not there yet does not count.
func (p *tab) reloaded(path, what, expression string) string {
	p.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Second) {
		p.visit(path)
		ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
		said, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
		cancel()
		if err == nil && said != "" {
			return said
		}
		p.take()
		if p.ctx.Err() != nil || time.Now().After(end) {
			p.t.Fatalf("waited %v for: %s on %s (last: %v); the page says:\n%.3000s", patience, what, path, err, p.text())
		}
	}
}

// still keeps a page from updating itself, for those who look at it for long.
func (p *tab) still() {
	p.t.Helper()
	value[int](p, `document.addEventListener("htmx:sseBeforeMessage", function (e) { e.preventDefault(); e.stopImmediatePropagation(); }, true), 1`)
}

// reading waits for a text on the page.
func (p *tab) reading(text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("the text %q", text), fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// text is what the page says.
func (p *tab) text() string {
	ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.querySelector('main')?.innerText ?? document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return s
}

// press clicks a button, as a mouse does.
func (p *tab) press(label string) {
	p.t.Helper()
	p.once(chromedp.Click(chromedp.Search(fmt.Sprintf(`//button[normalize-space()=%q]`, label)), chromedp.NodeVisible))
}

// linkNamed clicks a link, as a mouse does.
func linkNamed(label string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chromedp.Search(fmt.Sprintf(`//main//a[normalize-space()=%q]`, label)), chromedp.NodeVisible)
}

// fill sets a field of a form.
func (p *tab) fill(name, text string) {
	p.t.Helper()
	p.once(chromedp.SetValue(chromedp.CSS(fmt.Sprintf(`main [name=%q]`, name)), text))
}

// once carries out an action on a page that has been loaded. A page that is
// replaced at that very moment takes the element with it: then it is looked
// for again on the next one.
func (p *tab) once(action chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	for tries := 0; ; tries++ {
		p.until("a loaded page", `document.readyState === "complete"`)
		ctx, cancel := context.WithTimeout(p.ctx, patience)
		err := chromedp.Do(ctx, action)
		cancel()
		if err == nil {
			return
		}
		if tries == 20 || !strings.Contains(err.Error(), "node") {
			p.t.Fatalf("in the browser: %v", err)
		}
	}
}
