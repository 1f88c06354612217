package research_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/internal/transcript"
	"github.com/crescendo-network/crescendo/research"
)

// command carries out one line of a competition's transcript. Recipes go by
// their names; "work" is what all runners do, "liars" get other losses.
func (c *contest) command(t *testing.T, d *datadriven.TestData) string {
	var by, name string
	d.MaybeScanArgs(t, "by", &by)
	d.MaybeScanArgs(t, "recipe", &name)
	who := crescendo.Account(by)
	switch d.Cmd {
	case "open":
		purse := uint64(0)
		d.MaybeScanArgs(t, "purse", &purse)
		d.MaybeScanArgs(t, "wiggle", &c.wiggle)
		if err := c.open(crescendo.Amount(purse)); err != nil {
			return transcript.Format(crescendo.Outcome{}, err)
		}
		c.loss[c.recipes["baseline"].ID()] = 1_000_000
		return "ok\n"
	case "enter":
		var sequences uint32
		loss := uint64(1_000_000)
		var parents []string
		d.MaybeScanArgs(t, "sequences", &sequences)
		d.MaybeScanArgs(t, "loss", &loss)
		if arg, ok := d.Arg("on"); ok {
			parents = arg.Vals
		}
		r := c.recipe(name, who, sequences, parents...)
		var gone uint32
		if d.MaybeScanArgs(t, "shard", &gone) { // that nobody can fetch from this stage on
			r.Shard = digest.Sum("test/shard", []byte(name))
			c.recipes[name], c.gone[r.ID()] = r, gone
		}
		c.loss[r.ID()] = loss
		if err := c.fund(who); err != nil {
			t.Fatal(err)
		}
		return c.short(c.Print(c.enter(who, name)))
	case "task":
		return c.contribute(t, d, who, name)
	case "reveal":
		return c.short(c.Print(c.reveal(who, name)))
	case "run":
		if err := c.fund(who); err != nil {
			t.Fatal(err)
		}
		return c.Print(c.run(who))
	}
	return c.days(t, d)
}

// days carries out the commands that take time.
func (c *contest) days(t *testing.T, d *datadriven.TestData) string {
	var b strings.Builder
	switch d.Cmd {
	case "blocks":
		n := 1
		d.MaybeScanArgs(t, "n", &n)
		for range n {
			c.next()
			if said := c.Print(c.block); said != "ok\n" {
				fmt.Fprintf(&b, "height %d\n%s", c.Env.Height, c.short(said))
			}
		}
	case "work":
		clear(c.liars)
		clear(c.absent)
		for name, set := range map[string]map[crescendo.Account]bool{"liars": c.liars, "absent": c.absent} {
			if arg, ok := d.Arg(name); ok {
				for _, v := range arg.Vals {
					set[crescendo.Account(v)] = true
				}
			}
		}
		if err := c.work(func(line string) { b.WriteString(line) }); err != nil {
			t.Fatal(err)
		}
	case "duties":
		for _, duty := range c.duties() {
			fmt.Fprintf(&b, "%s: %s stage %d seed %d\n", duty.runner, c.short(duty.recipe.String()), duty.stage, duty.seed)
		}
	case "tasks":
		b.WriteString(c.taskResults(t))
	case "royalties":
		for _, s := range c.shares(t, d) {
			fmt.Fprintf(&b, "%s %d\n", s.Account, s.Parts)
		}
	case "pot":
		fmt.Fprintf(&b, "%d\n", c.Bank.Balance(research.Pot(1)))
	case "cancel":
		return c.short(c.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			out, dues, err := research.Cancel(env, s, 1)
			fmt.Fprintf(&b, "%v\n", dues)
			return out, err
		})) + b.String()
	default:
		d.Fatalf(t, "unknown command %q", d.Cmd)
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func (c *contest) shares(t *testing.T, d *datadriven.TestData) []research.Share {
	var name string
	d.ScanArgs(t, "recipe", &name)
	shares, err := research.Royalties(c.Store, c.recipes[name].ID())
	if err != nil {
		t.Fatal(err)
	}
	return shares
}
