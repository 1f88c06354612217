package auditor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/program"
)

// Block is what an archived block says once its bytes have been read: the
// part of it that execution needs and produces.
type Block struct {
	Height    crescendo.Height
	Time      int64 // Unix seconds
	Hash      []byte
	Txs       [][]byte
	Results   []Result
	EndEvents []crescendo.Event
}

// Result is what the block results say about one transaction.
type Result struct {
	Code      uint32
	Codespace string
	Log       string
	Events    []crescendo.Event
}

// Entry is an event with the place where the chain records it.
type Entry struct {
	Height crescendo.Height
	Tx     string // hash of the transaction; empty: end of the block
	Event  crescendo.Event
}

// Payment is a transfer with the place where the chain records it.
type Payment struct {
	Height crescendo.Height
	Tx     string
	crescendo.Transfer
}

// accepted is a message that the chain has carried out.
type accepted struct {
	height  crescendo.Height
	tx      string
	message crescendo.Message
}

// execution runs a chain again: the rules over a store in memory, transfers
// over a book of balances.
type execution struct {
	rules    program.Rules
	chain    string
	spec     program.Spec
	store    *kv.Memory
	book     *book
	accounts *accounts
	previous []byte // hash of the block before
	entries  []Entry
	payments []Payment
	messages []accepted
}

func newExecution(g Genesis, rules program.Rules) (*execution, error) {
	b, err := newBook(g.Balances, len(g.Spec.Rungs))
	if err != nil {
		return nil, err
	}
	x := &execution{rules: rules, chain: g.ChainID, spec: g.Spec, store: kv.NewMemory(), book: b, accounts: newAccounts(g.ChainID)}
	for _, e := range g.Entries {
		if err := x.store.Set(e.Key, e.Value); err != nil {
			return nil, err
		}
	}
	if len(g.Entries) == 0 {
		if err := program.Genesis(x.store, g.Spec); err != nil {
			return nil, fmt.Errorf("programme of the genesis: %w", err)
		}
	}
	return x, nil
}

// outcome is how a transaction or the end of a block compares with the record.
type outcome struct {
	name string
	err  error // nil: as recorded
}

// block executes one block and compares each transaction and the end of the
// block with what the archive recorded.
func (x *execution) block(b Block) []outcome {
	env := crescendo.Env{ChainID: x.chain, Height: b.Height, Time: b.Time, Beacon: wire.Beacon(x.previous)}
	var out []outcome
	for i, raw := range b.Txs {
		out = append(out, x.transaction(env, i, raw, b.Results[i]))
	}
	if err := x.end(env, b); err != nil || len(b.EndEvents) > 0 {
		out = append(out, outcome{fmt.Sprintf("end of block %d", b.Height), err})
	}
	x.previous = b.Hash
	return out
}

// end executes the end of a block and compares it with the record.
func (x *execution) end(env crescendo.Env, b Block) error {
	events, err := x.endBlock(env)
	if err != nil {
		if len(b.EndEvents) == 1 && b.EndEvents[0].Kind == endFailed {
			return nil
		}
		return fmt.Errorf("executed again, the end of the block fails: %w", err)
	}
	return errors.Join(sameEvents(events, b.EndEvents), x.book.conserved())
}

// endFailed is the event by which a ledger says that the end of a block failed
// and changed nothing.
const endFailed = "ledger.end-block-failed"

func (x *execution) endBlock(env crescendo.Env) ([]crescendo.Event, error) {
	overlay := kv.NewOverlay(x.store)
	out, err := x.carry(overlay, func(s kv.Store) (crescendo.Outcome, error) { return x.rules.EndBlock(env, s) })
	if err != nil {
		x.book.drop()
		return nil, err
	}
	x.note(env.Height, "", out.Events)
	return out.Events, overlay.Commit(x.store)
}

// carry runs a rule and its transfers.
func (x *execution) carry(s kv.Store, rule func(kv.Store) (crescendo.Outcome, error)) (out crescendo.Outcome, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = crescendo.Errorf(crescendo.CodeInternal, "rule panicked: %v", r)
		}
	}()
	if out, err = rule(s); err != nil {
		return out, err
	}
	for _, t := range out.Transfers {
		if err := x.book.move(t); err != nil {
			return out, err
		}
	}
	return out, nil
}

// note makes what was just executed final and remembers it.
func (x *execution) note(height crescendo.Height, tx string, events []crescendo.Event) {
	for _, e := range events {
		x.entries = append(x.entries, Entry{height, tx, e})
	}
	for _, t := range x.book.undo {
		x.payments = append(x.payments, Payment{height, tx, t})
	}
	x.book.keep()
}

// describe names a transaction by what it asks for.
func describe(height crescendo.Height, index int, tx wire.Tx) string {
	var kinds []string
	for _, m := range tx.Messages {
		url := m.TypeURL()
		kind := strings.TrimPrefix(url[strings.LastIndexByte(url, '.')+1:], "Msg")
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	what := ""
	if len(kinds) > 0 {
		what = fmt.Sprintf(" (%s by %s)", strings.Join(kinds, ", "), tx.Signer)
	}
	return fmt.Sprintf("transaction %d of block %d%s", index+1, height, what)
}

// transaction executes one transaction and compares the outcome.
func (x *execution) transaction(env crescendo.Env, index int, raw []byte, recorded Result) outcome {
	tx, err := wire.Decode(raw)
	name := describe(env.Height, index, tx)
	if err != nil {
		return outcome{name, wantRefused(recorded, err)}
	}
	identity := x.accounts.check(tx)
	x.accounts.used(tx, recorded)
	if identity != nil && outsideOfRules(recorded) {
		return outcome{name, nil} // refused before anything was executed
	}
	events, refusal := x.apply(env, tx, fmt.Sprintf("%X", wire.TxHash(raw)), recorded)
	return outcome{name, errors.Join(identity, agree(events, refusal, recorded))}
}

// apply executes the messages of a transaction, all or none.
func (x *execution) apply(env crescendo.Env, tx wire.Tx, hash string, recorded Result) ([]crescendo.Event, error) {
	overlay := kv.NewOverlay(x.store)
	var events []crescendo.Event
	for _, m := range tx.Messages {
		out, err := x.carry(overlay, func(s kv.Store) (crescendo.Outcome, error) { return x.message(env, s, m) })
		if err != nil {
			x.book.drop()
			return nil, err
		}
		events = append(events, out.Events...)
	}
	if outsideOfRules(recorded) {
		x.book.drop()
		return nil, errOutside
	}
	x.note(env.Height, hash, events)
	for _, m := range tx.Messages {
		x.messages = append(x.messages, accepted{env.Height, hash, m})
	}
	return events, overlay.Commit(x.store)
}

func (x *execution) message(env crescendo.Env, s kv.Store, m crescendo.Message) (crescendo.Outcome, error) {
	switch m := m.(type) {
	case *wire.MsgSend:
		return x.send(m)
	case *wire.Other:
		return crescendo.Outcome{}, fmt.Errorf("%s is a message of the Cosmos SDK: %w", m.URL, errForeign)
	}
	return x.rules.Apply(env, s, m)
}

// Errors that stand for refusals which the rules do not make.
var (
	errForeign = errors.New("not executed here")                       // a message that no rule knows
	errOutside = errors.New("refused outside of the rules")            // gas, fees, time-outs
	errBank    = errors.New("the bank module refuses such a transfer") // coins that are none
)

// send is the bank's own transfer. Stake is not followed: it buys nothing.
func (x *execution) send(m *wire.MsgSend) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	if m.Check() != nil {
		return out, errBank
	}
	if pot, ok := x.book.pots[m.To]; ok {
		return out, crescendo.Errorf(crescendo.CodeForbidden, "send to %s: it is the pot %s", m.To, pot)
	}
	if m.Coins[0].Denom != x.spec.Denom {
		return out, errForeign
	}
	amount, err := crescendo.ParseAmount(m.Coins[0].Amount)
	if err != nil || amount == 0 {
		return out, errBank
	}
	if x.book.balances[m.Sender] < amount {
		return out, errBank
	}
	out.Pay(m.Sender, m.To, amount)
	return out, nil
}

// outsideOfRules reports whether the record says that the SDK itself refused:
// out of gas, for example. What the rules would have said does not matter then.
func outsideOfRules(r Result) bool { return r.Code != 0 && r.Codespace != wire.Codespace }

// agree compares an outcome with the record.
func agree(events []crescendo.Event, refusal error, recorded Result) error {
	var rule *crescendo.Error
	switch {
	case recorded.Code != 0 && len(recorded.Events) > 0:
		return errors.New("the record says it was refused, and lists events")
	case refusal == nil && recorded.Code == 0:
		return sameEvents(events, recorded.Events)
	case refusal == nil:
		return fmt.Errorf("the record says it was refused (%s), executed again it succeeds", recorded.Log)
	case errors.Is(refusal, errForeign):
		if recorded.Code == 0 {
			return fmt.Errorf("%w: %w", refusal, ErrGone)
		}
		return nil
	case errors.Is(refusal, errOutside), errors.Is(refusal, errBank):
		return wantRefused(recorded, refusal)
	case recorded.Code == 0:
		return fmt.Errorf("the record says it succeeded, executed again it is refused: %w", refusal)
	case outsideOfRules(recorded):
		return nil
	case errors.As(refusal, &rule) && wire.CodeNumber(rule.Code) != recorded.Code:
		return fmt.Errorf("the record says it was refused with code %d (%s), executed again with %d: %w",
			recorded.Code, recorded.Log, wire.CodeNumber(rule.Code), refusal)
	case errors.As(refusal, new(*shortage)):
		return nil // the bank words it differently
	}
	if said := wire.ParseError(recorded.Codespace, recorded.Code, recorded.Log); rule != nil && (said.Text != rule.Text || said.Hint != rule.Hint) {
		return fmt.Errorf("the record says it was refused because: %q, executed again: %q", clip(said.Text), clip(rule.Text))
	}
	return nil
}

func wantRefused(recorded Result, reason error) error {
	if recorded.Code == 0 {
		return fmt.Errorf("the record says it succeeded: %w", reason)
	}
	return nil
}

func sameEvents(computed, recorded []crescendo.Event) error {
	for i := range max(len(computed), len(recorded)) {
		var a, b string
		if i < len(computed) {
			a = computed[i].String()
		}
		if i < len(recorded) {
			b = recorded[i].String()
		}
		if a != b {
			return fmt.Errorf("event %d: the record says %q, executed again it is %q", i+1, clip(b), clip(a))
		}
	}
	return nil
}

func clip(s string) string {
	if len(s) > 300 {
		return s[:300] + "..."
	}
	return s
}
