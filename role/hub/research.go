package hub

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/role/hub/page"
	"github.com/crescendo-network/crescendo/training"
)

// Contest is a rung's competition between recipes.
type Contest struct {
	Rung      crescendo.RungID `json:"rung"`
	Season    bool             `json:"season,omitempty"` // of newcomers
	Name      string           `json:"name"`
	Held      bool             `json:"held"` // the programme holds a competition here
	Phase     string           `json:"phase"`
	Stage     uint32           `json:"stage"` // of halving
	Stages    uint32           `json:"stages"`
	Committed uint32           `json:"committed"`
	Revealed  uint32           `json:"revealed"`
	Alive     uint32           `json:"alive"`
	Runners   []RunnerLine     `json:"runners"`
	Trials    uint32           `json:"trials"` // of this stage
	Open      uint32           `json:"trials_open"`
	Purse     crescendo.Amount `json:"purse"`
	Spent     crescendo.Amount `json:"spent"`
	Deadline  crescendo.Height `json:"deadline"`
	Winner    crescendo.Hash   `json:"winner"`
	Entries   []EntryLine      `json:"entries"`
	Board     [][]BoardLine    `json:"leaderboards"` // one for each stage of halving
	Royalty   uint32           `json:"royalty_bp"`
	Tasks     []TaskLine       `json:"tasks"`
}

// EntryLine is a recipe in a competition.
type EntryLine struct {
	Recipe  crescendo.Hash   `json:"recipe"`
	Name    string           `json:"name"`
	Author  page.Person      `json:"author"`
	Parents []crescendo.Hash `json:"parents"`
	Stage   uint32           `json:"stage"`
	Out     string           `json:"out"`
	CopyOf  crescendo.Hash   `json:"copy_of"`
	Adopted bool             `json:"adopted"`
	Kept    bool             `json:"kept"`
	Height  crescendo.Height `json:"height"`
}

// BoardLine is a row of a leaderboard; losses in micro-nats per target.
type BoardLine struct {
	Recipe   crescendo.Hash `json:"recipe"`
	Name     string         `json:"name"`
	Author   page.Person    `json:"author"`
	Loss     uint64         `json:"loss"`
	N        uint32         `json:"n"`
	Mean     int64          `json:"mean_gain"`
	Sigma    uint64         `json:"sigma"`
	Low      int64          `json:"low"`
	High     int64          `json:"high"`
	Survives bool           `json:"survives"`
	Baseline bool           `json:"baseline"`
}

// RunnerLine is who runs trials.
type RunnerLine struct {
	Person    page.Person      `json:"person"`
	Delivered uint32           `json:"delivered"`
	Agreed    uint32           `json:"agreed"`
	Earned    crescendo.Amount `json:"earned"`
	Fault     string           `json:"fault"`
}

var contestPhases = map[research.Phase]string{research.Entering: "entries are open", research.Revealing: "entries are being revealed",
	research.Trialling: "trials run", research.Decided: "decided", research.Cancelled: "cancelled"}

func (f *facts) contest(r *rungFacts) (Contest, error) {
	return f.contestAt(r, research.Contest(r.id))
}

func (f *facts) contestAt(r *rungFacts, at research.Contest) (Contest, error) {
	key := uint32(at)
	terms, _, err := f.Spec.TermsOf(at)
	if err != nil {
		return Contest{}, err
	}
	out := Contest{Rung: r.id, Season: at.IsSeason(), Name: r.spec.Name, Held: !terms.None(), Stages: terms.Stages, Royalty: r.spec.Revenue.RoyaltyBP,
		Runners: []RunnerLine{}, Entries: []EntryLine{}, Board: [][]BoardLine{}}
	c, err := kv.Optional(research.Competitions.Get(f.State, key))
	if err != nil {
		return out, err
	}
	out.Phase, out.Stage, out.Committed, out.Revealed, out.Alive = contestPhases[c.Phase], c.Stage, c.Committed, c.Revealed, c.Alive
	out.Trials, out.Open, out.Purse, out.Spent, out.Deadline, out.Winner = c.Trials, c.Open, c.Purse, c.Spent, c.Deadline, c.Winner
	if r.at.Stage == program.StageAnnounced {
		out.Phase = "not open yet"
	} else if !out.Held {
		out.Phase = "the organiser chooses"
	}
	entries, err := research.Entries.All(f.State, key)
	if err != nil {
		return out, err
	}
	for _, e := range entries {
		var id crescendo.Hash
		copy(id[:], e.Rest)
		v := e.Value
		out.Entries = append(out.Entries, EntryLine{Recipe: id, Name: f.recipeName(id), Author: f.person(v.Author), Parents: v.Parents, Stage: v.Stage, Out: v.Out,
			CopyOf: v.CopyOf, Adopted: v.Adopted, Kept: v.Kept, Height: v.Height})
	}
	runners, err := research.Runners.All(f.State, key)
	if err != nil {
		return out, err
	}
	for _, x := range runners {
		out.Runners = append(out.Runners, RunnerLine{f.person(training.Account(x.Rest)), x.Value.Delivered, x.Value.Agreed, x.Value.Earned, x.Value.Fault})
	}
	if at.IsSeason() {
		// evaluation tasks are entered in the rung's own competition
	} else if out.Tasks, err = f.tasks(r.id); err != nil {
		return out, err
	}
	for stage := uint32(1); stage <= max(c.Stage, out.Stages); stage++ {
		board, err := f.board(key, stage)
		if err != nil {
			return out, err
		}
		if len(board) > 0 {
			out.Board = append(out.Board, board)
		}
	}
	return out, nil
}

func (f *facts) board(rung, stage uint32) ([]BoardLine, error) {
	rows, err := research.Standings.All(f.State, rung, stage)
	if err != nil {
		return nil, err
	}
	var out []BoardLine
	for _, x := range rows {
		v := x.Value
		out = append(out, BoardLine{Recipe: v.Recipe, Name: f.recipeName(v.Recipe), Author: f.person(v.Author), Loss: v.Loss, N: v.N, Mean: v.Mean,
			Sigma: v.Sigma, Low: v.Low, High: v.High, Survives: v.Survives, Baseline: v.Baseline})
	}
	return out, nil
}

// recipeName is what a recipe's author calls it.
func (f *facts) recipeName(id crescendo.Hash) string {
	r, err := research.Contents.Get(f.State, id[:])
	if err != nil || r.Name == "" {
		return id.Short()
	}
	return r.Name
}

func (f *facts) research() ([]Contest, page.Document, error) {
	doc := page.Document{Title: "Research", Lead: "Before a rung is trained, recipes compete at equal, small budgets on text drawn after entries close. The best one is used, and earns its author a royalty.",
		Claim: "Recompute a leaderboard bit for bit:", Command: "crescendo research verify --rung 1"}
	var out []Contest
	if text := f.funnelText(); text != "" {
		doc.Lead += " " + text
	}
	for i := range f.rungs {
		c, err := f.contest(&f.rungs[i])
		if err != nil {
			return nil, doc, err
		}
		out = append(out, c)
		if f.rungs[i].at.Stage == program.StageAnnounced && i > 0 {
			continue // one that is still to come is enough to tell what will come
		}
		season, held, err := f.season(&f.rungs[i])
		if err != nil {
			return nil, doc, err
		}
		if held {
			out = append(out, season)
			doc.Sections = append(doc.Sections, f.contestSections(season)...)
		}
		doc.Sections = append(doc.Sections, f.contestSections(c)...)
	}
	return out, doc, nil
}

func (f *facts) contestSections(c Contest) []page.Section {
	id := c.key()
	head := page.Section{ID: "rung-" + id, Title: c.title(), Note: c.Phase,
		Facts: []page.Fact{{Label: "Royalty on contributors' part", Value: page.Percent(int64(c.Royalty), 10000)}}}
	if c.Held {
		head.Facts = append(head.Facts, page.Fact{Label: "Entries", Value: fmt.Sprintf("%d committed, %d revealed, %d alive", c.Committed, c.Revealed, c.Alive)},
			page.Fact{Label: "Halving", Value: fmt.Sprintf("stage %d of %d", c.Stage, c.Stages)},
			page.Fact{Label: "Trials", Value: fmt.Sprintf("%d of %d still open", c.Open, c.Trials)},
			page.Fact{Label: "For trials", Value: fmt.Sprintf("%s of %s spent", page.Plain(c.Spent), page.Money(f.unit, c.Purse))})
		if c.Deadline > f.Height {
			head.Facts = append(head.Facts, page.Fact{Label: "This phase ends", Value: f.inBlocks(c.Deadline)})
		}
		if c.Season {
			head.Text = append(head.Text, f.seasonText(c))
		} else if c.Phase == contestPhases[research.Entering] {
			head.Text = append(head.Text, page.Paragraph{Text: "Anybody may enter. Nobody sees a recipe before entries close.", Link: "/desk/enter?rung=" + id, Name: "Enter a recipe"})
		}
	}
	entries := page.Table{ID: "entries-" + id, Caption: "Recipes: " + c.title(), Head: page.Columns("Recipe", "Author", "Builds on", "Where it stands"), Empty: "No recipe has been shown yet."}
	for _, e := range c.Entries {
		entries.Rows = append(entries.Rows, []page.Cell{page.To(e.Name, "/recipe/"+e.Recipe.String()), page.Of(e.Author), page.Text(f.lineage(e.Parents)), entryState(c, e)})
	}
	head.Table = &entries
	sections := []page.Section{head}
	for i, board := range c.Board {
		t := page.Table{ID: fmt.Sprintf("board-%s-%d", id, i+1), Caption: fmt.Sprintf("Leaderboard of stage %d", i+1),
			Head: page.Columns("#", "Recipe", "Author", "Loss, nats#", "n#", "Gain over the baseline#", "σ#", "95 % interval#", "")}
		for k, b := range board {
			mark := page.Text("")
			switch {
			case b.Baseline:
				mark = page.Text("baseline")
			case b.Survives:
				mark = page.Cell{Text: "goes on", Class: "good"}
			}
			t.Rows = append(t.Rows, []page.Cell{page.Text(page.Decimal(k + 1)), page.To(b.Name, "/recipe/"+b.Recipe.String()), page.Of(b.Author),
				page.Text(page.Nats(crescendo.MicroNats(b.Loss))), page.Text(page.Count(b.N)), page.Text(page.Count(b.Mean)), page.Text(page.Count(b.Sigma)),
				page.Text(page.Count(b.Low) + " to " + page.Count(b.High)), mark})
		}
		sections = append(sections, page.Section{ID: fmt.Sprintf("stage-%s-%d", id, i+1), Title: fmt.Sprintf("%s, stage %d of halving", c.title(), i+1),
			Note: "paired by seed and document; gains in micro-nats per token", Table: &t})
	}
	if len(c.Tasks) > 0 {
		sections = append(sections, f.taskSection(c.Rung, c.Tasks, f.Spec.Rungs[c.Rung-1].Competition))
	}
	if len(c.Runners) > 0 {
		t := page.Table{ID: "runners-" + id, Caption: "Who runs trials", Head: page.Columns("Runner", "Delivered#", "Confirmed by others#", "Earned, "+f.unit+"#", "")}
		for _, x := range c.Runners {
			t.Rows = append(t.Rows, []page.Cell{page.Of(x.Person), page.Text(page.Count(x.Delivered)), page.Text(page.Count(x.Agreed)), page.Text(page.Plain(x.Earned)), {Text: x.Fault, Class: "bad"}})
		}
		sections = append(sections, page.Section{ID: "runners-title-" + id, Title: "Who runs the trials: " + c.title(), Note: "each trial at least twice, by different people", Table: &t})
	}
	return sections
}

func entryState(c Contest, e EntryLine) page.Cell {
	switch {
	case c.Season && e.Kept:
		return page.Cell{Text: fmt.Sprintf("qualified for rung %d", c.Rung), Class: "good"}
	case e.Adopted:
		return page.Cell{Text: "adopted: the rung is trained with it", Class: "good"}
	case !e.CopyOf.IsZero():
		return page.Cell{Text: "a copy of " + e.CopyOf.Short() + ": it earns nothing", Class: "bad"}
	case e.Kept:
		return page.Cell{Text: "kept for the next rung", Class: "good"}
	case e.Out == research.TaskKept:
		return page.Cell{Text: e.Out, Class: "good"}
	case e.Out != "":
		return page.Cell{Text: e.Out, Class: "warn"}
	case e.Stage > 0:
		return page.Text(fmt.Sprintf("stage %d", e.Stage))
	}
	return page.Text("entered")
}

// lineage names what a recipe builds on.
func (f *facts) lineage(parents []crescendo.Hash) string {
	s := ""
	for i, p := range parents {
		if i > 0 {
			s += ", "
		}
		s += f.recipeName(p)
	}
	if s == "" {
		return "–"
	}
	return s
}
