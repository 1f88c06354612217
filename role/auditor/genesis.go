package auditor

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/program"
)

// maxGenesis bounds a genesis document.
const maxGenesis = 64 << 20

// Genesis is what a chain begins with, as far as rules, bank and consensus
// know it.
type Genesis struct {
	ChainID    string
	Spec       program.Spec
	Balances   map[crescendo.Account]crescendo.Amount // settlement denom
	Validators []light.Validator                      // in the order of consensus
	Entries    []kv.Pair                              // state of an earlier chain, if it goes on from one
	Hash       string                                 // SHA-256 of the document without white space
}

// powerReduction is how much bonded stake makes one unit of voting power.
const powerReduction = 1_000_000

// document is the part of a Cosmos genesis document that matters here.
type document struct {
	ChainID       string          `json:"chain_id"`
	InitialHeight json.RawMessage `json:"initial_height"`
	State         struct {
		Bank struct {
			Balances []struct {
				Address string `json:"address"`
				Coins   []struct {
					Denom  string `json:"denom"`
					Amount string `json:"amount"`
				} `json:"coins"`
			} `json:"balances"`
		} `json:"bank"`
		Crescendo struct {
			Spec    []byte `json:"spec"`
			Entries []struct {
				Key   []byte `json:"key"`
				Value []byte `json:"value"`
			} `json:"entries"`
		} `json:"crescendo"`
		Staking struct {
			Validators []struct {
				Key struct {
					Type string `json:"@type"`
					Key  []byte `json:"key"`
				} `json:"consensus_pubkey"`
				Status string `json:"status"`
				Jailed bool   `json:"jailed"`
				Tokens string `json:"tokens"`
			} `json:"validators"`
		} `json:"staking"`
	} `json:"app_state"`
}

// ParseGenesis reads a genesis document.
func ParseGenesis(raw []byte) (Genesis, error) {
	var g Genesis
	var d document
	if len(raw) > maxGenesis {
		return g, fmt.Errorf("parse genesis: %d bytes, at most %d", len(raw), maxGenesis)
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return g, fmt.Errorf("parse genesis: %w", err)
	}
	if h := strings.Trim(string(d.InitialHeight), `"`); h != "" && h != "1" && h != "0" {
		return g, fmt.Errorf("parse genesis: the chain begins at height %s, which is not audited here", clip(h))
	}
	g.ChainID = d.ChainID
	if err := canon.Decode(d.State.Crescendo.Spec, &g.Spec); err != nil {
		return g, fmt.Errorf("parse genesis: programme: %w", err)
	}
	for _, e := range d.State.Crescendo.Entries {
		g.Entries = append(g.Entries, kv.Pair{Key: e.Key, Value: e.Value})
	}
	if err := g.money(d); err != nil {
		return g, fmt.Errorf("parse genesis: %w", err)
	}
	if err := g.validators(d); err != nil {
		return g, fmt.Errorf("parse genesis: %w", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return g, fmt.Errorf("parse genesis: %w", err)
	}
	sum := sha256.Sum256(compact.Bytes())
	g.Hash = hex.EncodeToString(sum[:])
	return g, nil
}

func (g *Genesis) money(d document) error {
	g.Balances = map[crescendo.Account]crescendo.Amount{}
	for _, b := range d.State.Bank.Balances {
		for _, c := range b.Coins {
			if c.Denom != g.Spec.Denom {
				continue
			}
			amount, err := crescendo.ParseAmount(c.Amount)
			if err != nil {
				return fmt.Errorf("balance of %s: %w", clip(b.Address), err)
			}
			who := crescendo.Account(b.Address)
			if g.Balances[who], err = g.Balances[who].Add(amount); err != nil {
				return fmt.Errorf("balance of %s: %w", clip(b.Address), err)
			}
		}
	}
	return nil
}

func (g *Genesis) validators(d document) error {
	for i, v := range d.State.Staking.Validators {
		if v.Jailed || v.Status != "BOND_STATUS_BONDED" {
			continue
		}
		tokens, err := strconv.ParseInt(v.Tokens, 10, 64)
		if err != nil || tokens < powerReduction {
			return fmt.Errorf("validator %d: %s tokens", i, clip(v.Tokens))
		}
		address := sha256.Sum256(v.Key.Key)
		g.Validators = append(g.Validators, light.Validator{Address: address[:20], Power: tokens / powerReduction,
			Key: light.PublicKey{Type: "tendermint/PubKeyEd25519", Value: v.Key.Key}})
	}
	if len(g.Validators) == 0 {
		return fmt.Errorf("no bonded validator")
	}
	slices.SortFunc(g.Validators, func(a, b light.Validator) int {
		return cmp.Or(cmp.Compare(b.Power, a.Power), bytes.Compare(a.Address, b.Address))
	})
	return nil
}
