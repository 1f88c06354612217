package desk

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/revenue"
)

func nonce() string { return rand.Text() }

// messageJSON is a message as people can read it.
func messageJSON(m crescendo.Message) string {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Sprintf("%+v", m)
	}
	return string(b)
}

func wantsJSON(r *http.Request) bool { return r.Header.Get("Accept") == "application/json" }

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // a reader that is gone needs no answer
}

// raiseFacts tell of the raise that a form names, or of all that are open.
func raiseFacts(s ledger.State, spec program.Spec, f form, me crescendo.Account) ([]fact, error) {
	var facts []fact
	for i, rung := range spec.Rungs {
		id := crescendo.RungID(i + 1)
		if f["rung"] != "" && f["rung"] != fmt.Sprint(id) {
			continue
		}
		raise, err := funding.Raises.Get(s, uint32(id))
		if errors.Is(err, kv.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read raise: %w", err)
		}
		held, err := funding.Holding(s, id, me)
		if err != nil {
			return nil, fmt.Errorf("read position: %w", err)
		}
		facts = append(facts,
			fact{fmt.Sprintf("Rung %d, %s", id, rung.Name), raise.Status.String()},
			fact{"raised so far", raise.Raised.String()},
			fact{"room below the hard cap", (raise.HardCap - raise.Raised).String()},
			fact{"soft cap", raise.SoftCap.String()},
			fact{"deadline", fmt.Sprintf("block %d", raise.Deadline)},
			fact{"your shares", held.String()})
	}
	if len(facts) == 0 {
		facts = []fact{{"Raises", "none has been opened yet"}}
	}
	return facts, nil
}

// dueFacts tell what each rung owes the account.
func dueFacts(s ledger.State, spec program.Spec, _ form, me crescendo.Account) ([]fact, error) {
	var facts []fact
	for i, rung := range spec.Rungs {
		id := crescendo.RungID(i + 1)
		due, shares, err := dues(s, id, me)
		if err != nil {
			return nil, err
		}
		if due.Total() == 0 && shares == 0 {
			continue
		}
		facts = append(facts, fact{fmt.Sprintf("Rung %d, %s", id, rung.Name),
			fmt.Sprintf("%d as holder, %d as contributor, %d as operator", due.Holder, due.Contributor, due.Operator)})
	}
	if len(facts) == 0 {
		facts = []fact{{"Due", "nothing yet: income comes when a rung serves"}}
	}
	return facts, nil
}

// dues is what a rung owes an account, and its shares in it.
func dues(s ledger.State, rung crescendo.RungID, me crescendo.Account) (revenue.Dues, crescendo.Amount, error) {
	shares, err := funding.Holding(s, rung, me)
	if err != nil {
		return revenue.Dues{}, 0, fmt.Errorf("read position: %w", err)
	}
	has, err := revenue.Books.Has(s, uint32(rung))
	if err != nil || !has {
		return revenue.Dues{}, shares, err
	}
	due, err := revenue.Due(s, rung, me, shares)
	if err != nil {
		return due, shares, fmt.Errorf("read dues: %w", err)
	}
	return due, shares, nil
}
