package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/research"
)

// sealedEntry is a recipe that has been committed to, and what is needed to
// show it. It lies in the home, readable by its owner only: whoever sees a
// recipe before entries close could enter it.
type sealedEntry struct {
	Chain      string            `json:"chain"`
	Rung       crescendo.RungID  `json:"rung"`
	Season     bool              `json:"season,omitempty"` // entered among newcomers
	Author     crescendo.Account `json:"author"`
	Recipe     research.Recipe   `json:"recipe"`
	Salt       crescendo.Hash    `json:"salt"`
	Commitment crescendo.Hash    `json:"commitment"`

	Task *research.EvaluationTask `json:"task,omitempty"` // what the recipe contributes
}

// entryFile is where an entry lies in a home.
func entryFile(commitment crescendo.Hash) string {
	return filepath.Join("entries", commitment.String()+".json")
}

// keep writes the entry before anything is committed to: a commitment that
// cannot be opened loses its bond.
func (e sealedEntry) keep(dir string) error {
	h := home.Home{Dir: dir}
	if err := os.MkdirAll(h.Path("entries"), 0o700); err != nil {
		return fmt.Errorf("keep entry: %w", err)
	}
	return h.WriteJSON(entryFile(e.Commitment), e)
}

// forget drops an entry that the ledger has refused.
func (e sealedEntry) forget(dir string) error {
	if err := os.Remove(home.Home{Dir: dir}.Path(entryFile(e.Commitment))); err != nil {
		return fmt.Errorf("forget entry: %w", err)
	}
	return nil
}

// keptEntries reads the entries of one account for a contest of a chain.
func keptEntries(dir, chain string, at research.Contest, author crescendo.Account) ([]sealedEntry, error) {
	folder := home.Home{Dir: dir}.Path("entries")
	files, err := os.ReadDir(folder)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	var out []sealedEntry
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".json") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			return nil, fmt.Errorf("read entries: %w", err)
		}
		var e sealedEntry
		if err := json.Unmarshal(data, &e); err != nil {
			return nil, fmt.Errorf("read entry %s: %w", f.Name(), err)
		}
		if e.Chain == chain && research.ContestOf(e.Rung, e.Season) == at && e.Author == author {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b sealedEntry) int { return strings.Compare(a.Commitment.String(), b.Commitment.String()) })
	return out, nil
}

// message shows the recipe.
func (e sealedEntry) message() crescendo.Message {
	m := &research.MsgRevealEntry{Sender: e.Author, Rung: e.Rung, Season: e.Season, Recipe: e.Recipe, Salt: e.Salt}
	if e.Task != nil {
		m.Task = *e.Task
	}
	return m
}
