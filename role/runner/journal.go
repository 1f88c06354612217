package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/research/trial"
)

// journal remembers across crashes what trials came to and the salts behind
// commitments.
type journal struct {
	path    string
	content content
}

type content struct {
	Version int              `json:"version"`
	Chain   string           `json:"chain"`
	Rung    research.Contest `json:"rung"`    // of a season: with the top bit set
	Results []entry          `json:"results"` // oldest first
}

// entry is the result of one trial.
type entry struct {
	trial.Name
	Weights crescendo.Hash `json:"weights"`
	Losses  []uint64       `json:"losses"`
	Salt    crescendo.Hash `json:"salt"`
}

const journalVersion = 1

// message is the reveal of the result as a transaction says it.
func (e entry) message(sender crescendo.Account, at research.Contest) *research.MsgRevealTrial {
	return &research.MsgRevealTrial{Sender: sender, Rung: at.Rung(), Season: at.IsSeason(), Stage: e.Stage, Recipe: e.Recipe, Seed: e.Seed,
		Weights: e.Weights, Losses: e.Losses, Salt: e.Salt}
}

// fileName tells the journals of contests apart.
func fileName(at research.Contest) string {
	if at.IsSeason() {
		return fmt.Sprintf("trials-%d-season.json", at.Rung())
	}
	return fmt.Sprintf("trials-%d.json", at.Rung())
}

// openJournal reads the journal of one contest's trials, or starts one.
func openJournal(home, chain string, at research.Contest) (*journal, error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &journal{path: filepath.Join(home, fileName(at))}
	data, err := os.ReadFile(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		j.content = content{Version: journalVersion, Chain: chain, Rung: at}
		return j, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j.content); err != nil {
		return nil, fmt.Errorf("open journal %s: %w", j.path, err)
	}
	if c := j.content; c.Version != journalVersion || c.Chain != chain || c.Rung != at {
		return nil, fmt.Errorf("open journal %s: it is version %d of %s of chain %s", j.path, c.Version, c.Rung, c.Chain)
	}
	return j, nil
}

// find returns the result of a trial, if there is one.
func (j *journal) find(n trial.Name) (entry, bool) {
	for _, e := range j.content.Results {
		if e.Name == n {
			return e, true
		}
	}
	return entry{}, false
}

// record makes a result durable.
func (j *journal) record(e entry) error {
	if _, ok := j.find(e.Name); ok {
		return nil // its commitment may be on the ledger: keep the salt
	}
	j.content.Results = append(j.content.Results, e)
	return j.write()
}

// forget drops the results of stages before the given one.
func (j *journal) forget(stage uint32) error {
	var kept []entry
	for _, e := range j.content.Results {
		if e.Stage >= stage {
			kept = append(kept, e)
		}
	}
	if len(kept) == len(j.content.Results) {
		return nil
	}
	j.content.Results = kept
	return j.write()
}

// write replaces the file so that a crash leaves the old or the new one.
func (j *journal) write() error {
	data, err := json.MarshalIndent(j.content, "", "  ")
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(j.path), ".trials-*")
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(data, '\n'))
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if err := os.Rename(tmp.Name(), j.path); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	dir, err := os.Open(filepath.Dir(j.path))
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
