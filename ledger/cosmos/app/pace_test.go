package app

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPace(t *testing.T) {
	const idle, busy = 200 * time.Millisecond, 50 * time.Millisecond
	for name, c := range map[string]struct {
		idle, busy time.Duration
		blocks     string // "t" with a transaction, "e" with an event of the rules, "." with nothing
		want       string // waits before the first block and after each: "b" busy, "i" idle
	}{
		"a new chain":                    {idle, busy, "....", "bbiii"},
		"a transaction and its answer":   {idle, busy, ".....t...", "bbiiiibbii"},
		"a deadline that passes":         {idle, busy, "....e...", "bbiiibbii"},
		"transactions one after another": {idle, busy, "....tt.t...", "bbiiibbbbbii"},
		"no busy pace":                   {idle, 0, "t.t.", "iiiii"},
		"a busy pace that is slower":     {idle, time.Second, "t.", "iii"},
	} {
		t.Run(name, func(t *testing.T) {
			var wait time.Duration
			p := newPace(c.idle, c.busy, &wait)
			letter := func() string {
				switch wait {
				case idle:
					return "i"
				case busy:
					return "b"
				}
				return wait.String()
			}
			got := letter()
			for _, b := range c.blocks {
				switch b {
				case 't':
					p.executed(1, 0)
				case 'e':
					p.executed(0, 1)
				default:
					p.executed(0, 0)
				}
				p.committed()
				got += letter()
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("blocks %q: waits %q, want %q", c.blocks, got, c.want)
			}
		})
	}
}
