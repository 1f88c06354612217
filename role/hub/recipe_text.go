package hub

import (
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// textOf says in words what a recipe is trained on; nil if it leaves that to
// the programme.
func textOf(r research.Recipe) *page.Section {
	t := page.Table{ID: "text", Caption: "Which documents are drawn, and how often", Head: page.Columns("Documents", "Weight, per mille#")}
	row := func(what, weight string) {
		t.Rows = append(t.Rows, []page.Cell{page.Text(what), page.Text(weight)})
	}
	for _, m := range r.Mix {
		what := "whose path begins with " + m.Prefix
		if m.Suffix != "" {
			what = "whose path ends with " + m.Suffix
		}
		row(what, page.Decimal(m.PerMille))
	}
	for _, f := range []struct {
		what  string
		bound uint32
	}{
		{"of fewer bytes than ", r.Filter.MinBytes}, {"of more bytes than ", r.Filter.MaxBytes},
		{"of more tokens per KiB than ", r.Filter.MaxTokensPerKiB},
	} {
		if f.bound > 0 {
			row(f.what+page.Decimal(f.bound), "0")
		}
	}
	note := "of several names that fit a path the longest counts"
	if !r.Shard.IsZero() {
		row("contributed with this recipe, under shard/ (packed text "+r.Shard.Short()+")", page.Decimal(research.WeightOf(r.Mix, "shard/")))
		note += "; contributed text that is held out, or repeats held-out text, is never drawn"
	}
	if len(t.Rows) == 0 {
		return nil
	}
	row("all others", page.Decimal(research.StandardWeight))
	return &page.Section{ID: "text-title", Title: "Text", Note: note, Table: &t}
}
