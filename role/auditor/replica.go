package auditor

import (
	"encoding/hex"
	"fmt"
	"maps"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/program"
)

// Replica is an audit that never ends: it checks and executes a chain block
// by block, as they come, and holds the state that follows. It is not safe for
// concurrent use while Add runs.
type Replica struct {
	genesis Genesis
	chain   *chain
	exec    *execution
}

// Step is what one block did.
type Step struct {
	Height   crescendo.Height
	Time     int64 // Unix milliseconds
	Hash     string
	Signed   int // validators that signed it
	Of       int // validators
	Txs      []StepTx
	End      []crescendo.Event // of the end of the block
	Payments []Payment
	Wrong    []string // where execution disagrees with the record
}

// StepTx is one transaction of a block.
type StepTx struct {
	Hash     string
	Signer   crescendo.Account
	Messages []crescendo.Message // nil if they could not be read
	Code     uint32              // zero: carried out
	Log      string
	Events   []crescendo.Event
}

// NewReplica begins at a genesis document.
func NewReplica(genesis []byte, rules program.Rules) (*Replica, error) {
	g, err := ParseGenesis(genesis)
	if err != nil {
		return nil, err
	}
	x, err := newExecution(g, rules)
	if err != nil {
		return nil, err
	}
	return &Replica{genesis: g, chain: newChain(g), exec: x}, nil
}

// Genesis is what the chain begins with.
func (r *Replica) Genesis() Genesis { return r.genesis }

// Height is the newest executed block.
func (r *Replica) Height() crescendo.Height { return r.chain.height }

// State is the rules' state after that block.
func (r *Replica) State() kv.Reader { return r.exec.store }

// Balances returns a copy of all balances, pots under their names.
func (r *Replica) Balances() map[crescendo.Account]crescendo.Amount {
	return maps.Clone(r.exec.book.balances)
}

// Balance returns one balance.
func (r *Replica) Balance(who crescendo.Account) crescendo.Amount { return r.exec.book.balances[who] }

// Burned is what faults have destroyed so far.
func (r *Replica) Burned() crescendo.Amount { return r.exec.book.burned }

// SupplyError is by how much balances and what was burned differ from what
// genesis gave out: zero, or something is very wrong.
func (r *Replica) SupplyError() (int64, error) {
	sum := r.exec.book.burned
	for _, amount := range r.exec.book.balances {
		var err error
		if sum, err = sum.Add(amount); err != nil {
			return 0, fmt.Errorf("add balances: %w", err)
		}
	}
	return int64(sum) - int64(r.exec.book.genesis), nil
}

// Add checks that the canonical bytes are the next block of the chain, and
// executes it. An error means that they are not; nothing has changed then.
func (r *Replica) Add(raw []byte) (Step, error) {
	b, err := light.DecodeBlock(raw)
	if err != nil {
		return Step{}, err
	}
	height := r.chain.height + 1
	// A block that does not follow must leave no trace.
	before := *r.chain
	if err := r.chain.add(height, b); err != nil {
		delete(r.chain.hashes, hex.EncodeToString(b.Signed.Header.Hash()))
		*r.chain = before
		return Step{}, fmt.Errorf("block %d: %w", height, err)
	}
	paid := len(r.exec.payments)
	step := Step{
		Height: height, Time: b.Signed.Header.Time.UnixMilli(), Hash: hex.EncodeToString(b.Signed.Header.Hash()),
		Of: len(b.Validators), End: b.EndEvents,
	}
	for _, s := range b.Signed.Commit.Signatures {
		if s.Flag == 2 {
			step.Signed++
		}
	}
	for i, raw := range b.Txs {
		step.Txs = append(step.Txs, stepTx(raw, b.Results[i]))
	}
	for _, o := range r.exec.block(executable(b)) {
		if o.err != nil && !gone(o.err) {
			step.Wrong = append(step.Wrong, fmt.Sprintf("%s: %v", o.name, o.err))
		}
	}
	step.Payments = r.exec.payments[paid:]
	return step, nil
}

func stepTx(raw []byte, result light.Result) StepTx {
	tx, err := wire.Decode(raw)
	out := StepTx{Hash: fmt.Sprintf("%X", wire.TxHash(raw)), Code: result.Code, Log: result.Log, Events: result.Events}
	if err == nil {
		out.Signer, out.Messages = tx.Signer, tx.Messages
	}
	return out
}

// Explain tells why an account was paid what it was paid, as the function
// Explain does, from what has been executed so far.
func (r *Replica) Explain(who string, id crescendo.RungID) (Why, error) {
	e := explainer{r.exec, ""}
	var err error
	if e.who, err = e.find(who); err != nil {
		return Why{}, err
	}
	w, err := e.explain(id)
	w.ChainID, w.Height, w.Genesis = r.genesis.ChainID, r.chain.height, r.genesis.Balances[e.who]
	w.Trust = hex.EncodeToString(r.chain.hash)
	return w, err
}
