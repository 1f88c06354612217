package desk

import "context"

// ShowEntries does once what Run does as blocks come.
func (d *Desk) ShowEntries(ctx context.Context) error { return d.showEntries(ctx) }
