package browsertest

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	href    = regexp.MustCompile(`href="(/[^"#]*)(#[^"]*)?"`)
	numbers = regexp.MustCompile(`/[0-9]+(/|$)`)
	names   = regexp.MustCompile(`/(cresc1[a-z0-9]+|@[a-z]+|[0-9a-fA-F]{64})`)
)

// pattern is the kind of a page: its address without what it is about.
func pattern(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return numbers.ReplaceAllString(names.ReplaceAllString(path, "/X"), "/N$1")
}

// perKind is how many pages of a kind are looked at.
const perKind = 2

// maxKinds bounds a walk over a site.
const maxKinds = 100

// walk follows the links of a site, a few of each kind, and returns the first
// page of each. A link that leads nowhere fails the test.
func walk(t *testing.T, hub string) []string {
	t.Helper()
	client := &http.Client{Timeout: patience}
	seen, kinds := map[string]bool{"/": true}, map[string]int{}
	var pages []string
	for queue := []string{"/", "/login", "/tx", "/glossary"}; len(queue) > 0; queue = queue[1:] {
		path := queue[0]
		kind := pattern(path)
		if kinds[kind]++; kinds[kind] > perKind || len(kinds) > maxKinds {
			continue
		}
		body, kindOfContent, err := read(client, hub+path)
		if err != nil {
			t.Errorf("a page links to %s: %v", path, err)
			continue
		}
		if !strings.HasPrefix(kindOfContent, "text/html") {
			continue
		}
		if kinds[kind] == 1 {
			pages = append(pages, path)
		}
		for _, m := range href.FindAllStringSubmatch(body, -1) {
			if next := strings.ReplaceAll(m[1], "&amp;", "&"); !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	slices.Sort(pages)
	return pages
}

// read fetches a page, again while the ledger behind it is too busy.
func read(client *http.Client, url string) (body, contentType string, err error) {
	var resp *http.Response
	for end := time.Now().Add(patience); ; time.Sleep(time.Second) {
		if resp, err = client.Get(url); err != nil {
			return "", "", err
		}
		if resp.StatusCode != http.StatusServiceUnavailable || time.Now().After(end) {
			break
		}
		resp.Body.Close()
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return "", "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", "", fmt.Errorf("it answers %s", resp.Status)
	}
	return string(data), resp.Header.Get("Content-Type"), nil
}

// testPages looks at every kind of page, by day and by night, wide and narrow.
func testPages(t *testing.T, b *chromium, more ...string) {
	pages := append(walk(t, b.hub), more...)
	t.Logf("kinds of pages: %v", pages)
	if len(pages) < 10 {
		t.Fatalf("only %d kinds of pages are linked from the front page", len(pages))
	}
	dark := func(l look) look { l.dark = true; return l }
	for _, l := range []look{desktop, dark(desktop), phone, dark(phone)} {
		t.Run(l.String(), func(t *testing.T) { testLook(t, b, l, pages) })
	}
	t.Run("without-javascript", func(t *testing.T) { testNoScript(t, b, pages) })
}

// testLook has axe-core judge pages, and sees that narrow ones need no
// scrolling sideways and none complains.
func testLook(t *testing.T, b *chromium, l look, pages []string) {
	p := b.open(t, l)
	for _, path := range pages {
		p.load(path)
		p.still()
		if over := value[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
			t.Errorf("%s: %d pixels wider than a screen of %d: %s", path, over, l.width, value[string](p, widest))
		}
		if problems := structure(p); problems != "" {
			t.Errorf("%s: %s", path, problems)
		}
		for _, finding := range judge(p) {
			t.Errorf("%s, %v: %s", path, l, finding)
		}
		for _, w := range p.take() {
			t.Errorf("%s: %s", path, w)
		}
	}
}

// widest names what sticks out of the page.
const widest = `Array.from(document.querySelectorAll("main *, header *, footer *")).filter(function (e) {
	return e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !e.closest(".scroll, .desk-wide, pre");
}).slice(0, 3).map(function (e) { return e.tagName.toLowerCase() + "." + (e.getAttribute("class") || ""); }).join(", ")`

// structure says what is wrong with the outline of a page.
func structure(p *tab) string {
	p.t.Helper()
	return value[string](p, `(function () {
		var wrong = [];
		if (document.querySelectorAll("h1").length !== 1) { wrong.push(document.querySelectorAll("h1").length + " h1"); }
		if (document.querySelectorAll("main").length !== 1) { wrong.push("no single main"); }
		if (!document.title || !document.documentElement.lang) { wrong.push("no title or language"); }
		if (document.querySelector("[style], style, script:not([src])")) { wrong.push("inline style or script"); }
		document.querySelectorAll("figure.chart").forEach(function (f) {
			if (f.querySelector("svg[role=img]") && !f.querySelector("table")) { wrong.push("a chart without a table"); }
		});
		return wrong.join("; ");
	})()`)
}

// judge runs axe-core and returns what it finds serious.
func judge(p *tab) []string {
	p.t.Helper()
	loaded := value[bool](p, axe+"\n; typeof axe === 'object'")
	if !loaded {
		p.t.Fatal("axe-core does not load")
	}
	return value[[]string](p, `axe.run(document, {rules: {"target-size": {enabled: true}}, resultTypes: ["violations"], elementRef: false}).then(function (r) {
		if (r.passes.length === 0) { return ["axe-core has checked nothing"]; }
		return r.violations.filter(function (v) { return v.impact === "serious" || v.impact === "critical"; }).map(function (v) {
			return v.id + " (" + v.impact + "): " + v.help + ": " + v.nodes.slice(0, 3).map(function (n) {
				return n.target.join(" ") + " [" + n.any.map(function (c) { return c.message; }).join("; ").slice(0, 160) + "]";
			}).join(" | ");
		});
	})`)
}

// testNoScript reads every page with scripts switched off: what it says with
// them it says without.
func testNoScript(t *testing.T, b *chromium, pages []string) {
	off := desktop
	off.noScript = true
	with, without := b.open(t, desktop), b.open(t, off)
	for _, path := range pages {
		with.load(path)
		without.load(path)
		_, all := plainText(with)
		title, words := plainText(without)
		if title == "" || words == 0 || words < all*9/10 {
			t.Errorf("%s: without JavaScript it has %d words of %d, under the title %q", path, words, all, title)
		}
	}
}
