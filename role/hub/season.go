package hub

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// season is the season of newcomers that opened with a rung's raise; false if
// there is none yet.
func (f *facts) season(r *rungFacts) (Contest, bool, error) {
	if r.spec.Season.None() || r.at.Stage == program.StageAnnounced {
		return Contest{}, false, nil
	}
	c, err := f.contestAt(r, research.SeasonOf(r.id))
	return c, true, err
}

// key tells the two contests of a rung apart in names on a page.
func (c Contest) key() string {
	if c.Season {
		return page.Decimal(c.Rung) + "-season"
	}
	return page.Decimal(c.Rung)
}

func (c Contest) title() string {
	if c.Season {
		return fmt.Sprintf("Season of rung %d", c.Rung)
	}
	return fmt.Sprintf("Rung %d, %s", c.Rung, c.Name)
}

// seasonText says what a season is, and where to enter while one can.
func (f *facts) seasonText(c Contest) page.Paragraph {
	t := f.Spec.Rungs[c.Rung-1].Season
	first := f.Spec.Rungs[0].Name
	p := page.Paragraph{Text: fmt.Sprintf("With the raise of rung %d the first rung reopens for newcomers: accounts none of whose recipes has gone on before. They compete at the model and budget of %s; the best of those that beat its own recipe beyond chance, %d at most, enter this rung's competition without a bond.",
		c.Rung, first, t.KeepRecipes)}
	if c.Phase == contestPhases[research.Entering] {
		p.Link, p.Name = fmt.Sprintf("/desk/enter?rung=%d&contest=newcomers", c.Rung), "Enter the season"
	}
	return p
}

// funnelText says how many recipes the ladder takes, from its first rung to its
// last; empty if it promises nothing.
func (f *facts) funnelText() string {
	if (f.Spec.Funnel == program.Funnel{}) {
		return ""
	}
	text := "Places get fewer from rung to rung:"
	for i, r := range f.Spec.Rungs {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(" %s on rung %d", page.Count(r.Competition.MaxEntries), crescendo.RungID(i+1))
	}
	return text + "."
}
