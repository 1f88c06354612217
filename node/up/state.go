package up

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
)

// networkFile says which run a home holds.
const networkFile = "network.json"

// network is what a home remembers of the run it holds, so that the same
// command resumes it and another one is refused.
type network struct {
	ChainID string            `json:"chain_id"`
	Program crescendo.Hash    `json:"program"` // digest of the programme without its organiser
	Seed    uint64            `json:"seed"`
	Genesis bool              `json:"genesis"` // the ledger has been initialised
	Demo    programfile.Demo  `json:"demo"`
	Names   map[string]string `json:"names"` // accounts by name
}

// loadNetwork reads which run a home holds, or begins a new one. The
// programme is compared without organiser and assurance, which `up` fills in.
func loadNetwork(h home.Home, spec program.Spec, demo programfile.Demo, seed uint64) (*network, bool, error) {
	spec.Organiser, spec.Simulated = "", false
	want := network{Program: digest.Sum("crescendo/up/program", canon.Encode(spec)), Seed: seed, Demo: demo,
		ChainID: fmt.Sprintf("%s%s-%d", devPrefix, slug(spec.Name), seed)}
	var have network
	err := h.ReadJSON(networkFile, &have)
	if errors.Is(err, os.ErrNotExist) {
		return &want, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if have.Program != want.Program || have.Seed != want.Seed || !sameDemo(have.Demo, want.Demo) {
		return nil, false, crescendo.Errorf(crescendo.CodeInvalid,
			"home %s holds another run: chain %s, seed %d", h.Dir, have.ChainID, have.Seed).
			WithHint("give the programme file and --seed it was started with, or another directory with --home; make clean-home starts over")
	}
	return &have, have.Genesis, nil
}

// devPrefix marks chains on which simulated evidence may be allowed.
const devPrefix = "crescendo-dev-"

func slug(name string) string {
	var b []byte
	for _, c := range []byte(name) {
		switch {
		case c >= 'A' && c <= 'Z':
			b = append(b, c+'a'-'A')
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b = append(b, c)
		}
	}
	return string(b[:min(len(b), 20)])
}

func sameDemo(a, b programfile.Demo) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
