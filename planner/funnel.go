package planner

import (
	"fmt"
	"io"
	"strings"

	"github.com/crescendo-network/crescendo/program"
)

// Funnel is how many recipes one rung takes, and how many newcomers the first
// rung takes again while this one raises its money.
type Funnel struct {
	Entries   uint32 `json:"entries"`   // places in its competition; 0: it has none
	Kept      uint32 `json:"kept"`      // recipes that enter the next rung's by themselves
	Newcomers uint32 `json:"newcomers"` // places in its season; 0: it has none
	Qualify   uint32 `json:"qualify"`   // of them, at most
}

func funnelOf(r program.Rung) Funnel {
	return Funnel{r.Competition.MaxEntries, r.Competition.KeepRecipes, r.Season.MaxEntries, r.Season.KeepRecipes}
}

// writeFunnel says how places get fewer along the ladder, and which raises
// reopen its beginning.
func writeFunnel(w io.Writer, rungs []Rung) {
	var places []string
	for _, r := range rungs {
		if r.Funnel.Entries > 0 {
			places = append(places, fmt.Sprint(r.Funnel.Entries))
		}
	}
	if len(places) == 0 {
		return
	}
	fmt.Fprintf(w, "\nplaces for recipes, rung by rung: %s\n", strings.Join(places, ", "))
	for i := 0; i < len(rungs); {
		last, f := i, rungs[i].Funnel
		for last+1 < len(rungs) && rungs[last+1].Funnel.Newcomers == f.Newcomers && rungs[last+1].Funnel.Qualify == f.Qualify {
			last++
		}
		if f.Newcomers > 0 {
			fmt.Fprintf(w, "rung 1 takes %d newcomers again with the raise of rungs %d to %d, of whom %d at most go on\n",
				f.Newcomers, rungs[i].Rung, rungs[last].Rung, f.Qualify)
		}
		i = last + 1
	}
}
