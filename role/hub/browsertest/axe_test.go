package browsertest

import (
	"context"
	_ "embed"
	"strings"

	"github.com/chromedp/chromedp"
)

// axe is axe-core 4.14.1 as published on npm; MPL-2.0, testdata/axe.LICENSE.
//
//go:embed testdata/axe-4.14.1.min.js
var axe string

// plainText is what a page says, taken from its nodes and not by a script: for
// pages whose scripts are switched off.
func plainText(p *tab) (title string, words int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	title, err := chromedp.Run(ctx, chromedp.Title())
	if err != nil {
		p.t.Fatalf("read title: %v", err)
	}
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("main")))
	if err != nil {
		p.t.Fatalf("read page: %v", err)
	}
	return title, len(strings.Fields(text))
}
