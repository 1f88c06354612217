package desk

import (
	"context"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
)

// ShowEntries does once what Run does as blocks come.
func (d *Desk) ShowEntries(ctx context.Context) error { return d.showEntries(ctx) }

// AskThrough answers an account's questions through a server in place of a
// proxy.
func (d *Desk) AskThrough(who crescendo.Account, url string, receipt inference.SignedReceipt) {
	t := &till{url: url, cancel: func() {}, ready: make(chan struct{}), receipt: receipt, idle: time.AfterFunc(time.Hour, func() {})}
	close(t.ready)
	d.play.mu.Lock()
	defer d.play.mu.Unlock()
	d.play.proxies[who] = t
}
