// Package transcript runs rules in tests, as a ledger would, and prints what
// they did, one fact a line. The files in the testdata folders of the rules
// are conversations with it.
//
// It is for tests only; no program links it.
package transcript

import (
	"errors"
	"fmt"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/bank"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// World is a ledger reduced to what rules see of it.
type World struct {
	Env   crescendo.Env
	Store *kv.Memory
	Bank  *bank.Bank
}

// New returns a world at height 1 with the given balances.
func New(genesis map[crescendo.Account]crescendo.Amount) (*World, error) {
	b, err := bank.New(genesis)
	if err != nil {
		return nil, err
	}
	return &World{Env: crescendo.Env{ChainID: "crescendo-dev-test", Height: 1}, Store: kv.NewMemory(), Bank: b}, nil
}

// Do runs one step of a rule: its writes and transfers are all kept, or none.
func (w *World) Do(step func(crescendo.Env, kv.Store) (crescendo.Outcome, error)) (crescendo.Outcome, error) {
	overlay := kv.NewOverlay(w.Store)
	out, err := step(w.Env, overlay)
	if err != nil {
		return crescendo.Outcome{}, err
	}
	if err := w.Bank.Execute(out.Transfers); err != nil {
		return crescendo.Outcome{}, err
	}
	return out, overlay.Commit(w.Store)
}

// Print runs one step and prints its outcome or its refusal.
func (w *World) Print(step func(crescendo.Env, kv.Store) (crescendo.Outcome, error)) string {
	out, err := w.Do(step)
	return Format(out, err)
}

// Format prints events, transfers, or the refusal with its code and hint.
func Format(out crescendo.Outcome, err error) string {
	var b strings.Builder
	var refused *crescendo.Error
	switch {
	case errors.As(err, &refused):
		fmt.Fprintf(&b, "error (%s): %s\n", refused.Code, refused.Text)
		if refused.Hint != "" {
			fmt.Fprintf(&b, "hint: %s\n", refused.Hint)
		}
		return b.String()
	case err != nil:
		return fmt.Sprintf("error: %v\n", err)
	}
	for _, e := range out.Events {
		fmt.Fprintln(&b, e)
	}
	for _, t := range out.Transfers {
		fmt.Fprintf(&b, "%s -> %s %d\n", t.From, t.To, t.Amount)
	}
	if b.Len() == 0 {
		return "ok\n"
	}
	return b.String()
}

// Dump prints the whole store, for comparing two runs.
func Dump(s kv.Reader) string {
	pairs, err := s.Range(nil, nil, kv.MaxPage)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, p := range pairs {
		fmt.Fprintf(&b, "%x %x\n", p.Key, p.Value)
	}
	return b.String()
}
