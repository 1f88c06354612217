package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lukechampine.com/blake3"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/bank"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

const chainID = "crescendo-dev-sim"

// chain is the ledger: it orders what arrives, runs the rules and keeps the
// book. It never fails, crashes or forks: that is the business of the
// consensus below the rules.
type chain struct {
	rules   program.Rules
	spec    program.Spec
	store   *store
	bank    *bank.Bank
	genesis crescendo.Amount
	env     crescendo.Env
	mempool []*transaction
	seen    map[uint64]bool // executed
	ids     uint64
	salt    []byte // block hashes follow from it
	rungs   []rung // index: rung less one
	opened  map[crescendo.Account][]uint64
	asked   []request
}

// rung is what anybody can read in the newest state about a rung.
type rung struct {
	id      crescendo.RungID
	stale   bool
	state   program.RungState
	run     training.Run
	raise   funding.Raise
	book    revenue.Book
	seal    sealing.Seal
	panel   []crescendo.Account // of the open round
	shown   []crescendo.Account // have revealed in the open attempt
	windows []*window           // drawn and not settled, oldest first
	verdict *evaluation.Vote    // what honest evaluators find, once somebody has asked
	asked   crescendo.Hash      // the draw that verdict answers
}

// window is a trainer's round that waits for its replay.
type window struct {
	trainer    crescendo.Account
	round      crescendo.Round
	drawn      crescendo.Height
	seed       crescendo.Hash
	work       training.Work
	panel      []crescendo.Account
	designated crescendo.Account
	disputed   bool
}

// request is a vault's request for a key.
type request struct {
	rung         crescendo.RungID
	vault, nonce crescendo.Hash
}

func newChain(seed uint64, spec program.Spec, balances map[crescendo.Account]crescendo.Amount, watch func(key string, value []byte)) (*chain, error) {
	b, err := bank.New(balances)
	if err != nil {
		return nil, err
	}
	c := &chain{rules: program.Rules{Appraise: appraise}, spec: spec, store: newStore(), bank: b, genesis: b.Supply(),
		env:  crescendo.Env{ChainID: chainID, Height: 1, Time: 1_800_000_000, Beacon: digest.Sum("sim/genesis")},
		salt: binary.BigEndian.AppendUint64(nil, seed), seen: map[uint64]bool{}, opened: map[crescendo.Account][]uint64{}}
	for i := range spec.Rungs {
		c.rungs = append(c.rungs, rung{id: crescendo.RungID(i + 1)})
	}
	c.store.watch = func(key string, value []byte) {
		watch(key, value)
		c.watch(key, value)
	}
	return c, program.Genesis(c.store, spec)
}

// evidence stands for what a platform signs about a vault.
type evidence struct {
	Measurement []byte        `pb:"1"`
	Trust       sealing.Trust `pb:"2"`
	Binding     []byte        `pb:"3"`
}

func appraise(raw, binding []byte, simulated bool, _ string, _ int64) (sealing.Appraisal, error) {
	var e evidence
	if err := canon.Decode(raw, &e); err != nil {
		return sealing.Appraisal{}, err
	}
	if string(e.Binding) != string(binding) || !simulated {
		return sealing.Appraisal{}, errors.New("the evidence does not bind these keys")
	}
	return sealing.Appraisal{Kind: "sim", Assurance: "simulated", Measurement: e.Measurement, Trust: e.Trust}, nil
}

// trust is where a vault that starts now begins to believe the ledger.
func (c *chain) trust() sealing.Trust {
	at := sealing.Anchored(max(1, c.env.Height-3))
	return sealing.Trust{Kind: sealing.TrustBlock, Height: at, Root: c.root(at)}
}

// root is a block's hash.
func (c *chain) root(h crescendo.Height) crescendo.Hash {
	return digest.Sum("sim/block", binary.BigEndian.AppendUint64(c.salt[:len(c.salt):len(c.salt)], uint64(h)))
}

// block executes what has arrived and ends the block.
func (c *chain) block(w *world) {
	waiting := c.mempool
	c.mempool = nil
	for _, tx := range waiting {
		if c.seen[tx.id] {
			w.report.Doubled++
			continue
		}
		c.seen[tx.id] = true
		w.execute(tx)
	}
	out, err := c.do(c.rules.EndBlock)
	if err != nil {
		w.fail("the end of the block fails: %v", err)
		return
	}
	w.happened(out)
	c.refresh(w)
	c.env.Height++
	c.env.Time++
	root := c.root(c.env.Height - 1)
	c.env.Beacon = digest.Plain(root[:])
}

// do runs one step of the rules: its writes and transfers are kept, or none.
func (c *chain) do(step func(crescendo.Env, kv.Store) (crescendo.Outcome, error)) (crescendo.Outcome, error) {
	overlay := kv.NewOverlay(c.store)
	out, err := step(c.env, overlay)
	if err != nil {
		return crescendo.Outcome{}, err
	}
	if err := c.bank.Execute(out.Transfers); err != nil {
		return crescendo.Outcome{}, err
	}
	return out, overlay.Commit(c.store)
}

// execute carries out one transaction and tells its sender.
func (w *world) execute(tx *transaction) {
	out, err := w.chain.do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
		return w.chain.rules.Apply(env, s, tx.message)
	})
	w.answer(tx, err)
	if err != nil {
		w.report.Refused++
		w.note("refused %d %s %s: %v", tx.id, tx.from.name, tx.purpose.kind, err)
		w.past.refused(w, tx, err)
		return
	}
	w.report.Messages++
	w.happened(out)
}

// happened takes note of an outcome that the ledger has kept.
func (w *world) happened(out crescendo.Outcome) {
	for _, e := range out.Events {
		w.note("%d %s", w.height(), e)
		w.chain.follow(e)
		w.past.event(w, e)
	}
	for _, t := range out.Transfers {
		w.note("%d %s -> %s %d", w.height(), t.From, t.To, t.Amount)
		w.past.transfer(w, t)
	}
}

// follow keeps the parts of the view that come from events.
func (c *chain) follow(e crescendo.Event) {
	switch e.Kind {
	case "training.round-opened":
		c.rungs[e.Rung-1].shown = nil
	case "training.revealed":
		v := &c.rungs[e.Rung-1]
		v.shown = append(v.shown, crescendo.Account(e.Get("trainer")))
	case "inference.opened":
		var id uint64
		fmt.Sscan(e.Get("session"), &id)
		client := crescendo.Account(e.Get("client"))
		c.opened[client] = append(c.opened[client], id)
	case "sealing.key-requested":
		vault, _ := crescendo.ParseHash(e.Get("vault"))
		nonce, _ := crescendo.ParseHash(e.Get("nonce"))
		c.asked = append(c.asked, request{e.Rung, vault, nonce})
	}
}

// watch sees every write and keeps what is worth reading again.
func (c *chain) watch(key string, value []byte) {
	name, rest, ok := splitKey(key)
	if !ok {
		return
	}
	id := binary.BigEndian.Uint32([]byte(rest))
	if id == 0 || int(id) > len(c.rungs) {
		return
	}
	v := &c.rungs[id-1]
	switch name {
	case "program/rung", "training/run", "funding/raise", "revenue/book", "sealing/seal", "evaluation/panel":
		v.stale = true
	case "training/window":
		trainer, round, _ := training.WindowKey([]byte(rest[4:]))
		v.windows = slices.DeleteFunc(v.windows, func(x *window) bool { return x.trainer == trainer && x.round == round })
		if value != nil {
			v.windows = append(v.windows, &window{trainer: trainer, round: round})
		}
		v.stale = true
	case "evaluation/dispute":
		round := crescendo.Round(binary.BigEndian.Uint32([]byte(rest[4:])))
		trainer := training.Account([]byte(rest[8:]))
		for _, x := range v.windows {
			if x.trainer == trainer && x.round == round {
				x.disputed = value != nil
			}
		}
	}
}

// splitKey returns the collection a store key belongs to and the rest of the
// key, if that is long enough to begin with a rung.
func splitKey(key string) (name, rest string, ok bool) {
	name, rest, ok = strings.Cut(key, "\x00")
	return name, rest, ok && len(rest) >= 4
}

// refresh reads again what has changed.
func (c *chain) refresh(w *world) {
	for i := range c.rungs {
		v := &c.rungs[i]
		if !v.stale {
			continue
		}
		v.stale = false
		k := uint32(v.id)
		var errs [6]error
		v.state, errs[0] = optional(program.Rungs.Get(c.store, k))
		v.run, errs[1] = optional(training.Runs.Get(c.store, k))
		v.raise, errs[2] = optional(funding.Raises.Get(c.store, k))
		v.book, errs[3] = optional(revenue.Books.Get(c.store, k))
		v.seal, errs[4] = optional(sealing.Seals.Get(c.store, k))
		panel, err := optional(evaluation.Panels.Get(c.store, k, uint32(v.run.Round)))
		v.panel, errs[5] = panel.Members, err
		for _, x := range v.windows {
			if x.drawn == 0 {
				errs[5] = errors.Join(errs[5], c.learn(v, x))
			}
		}
		if err := errors.Join(errs[:]...); err != nil {
			w.fail("the state of rung %d cannot be read: %v", v.id, err)
		}
	}
}

// learn fills in what evaluators need to know about a window that has just
// been drawn: its round is still the open one.
func (c *chain) learn(v *rung, x *window) error {
	var err error
	if x.work, err = training.Works.Get(c.store, uint32(v.id), uint32(x.round), string(x.trainer)); err != nil {
		return err
	}
	x.drawn, x.seed, x.panel = x.work.DrawnAt, v.run.Seed, v.panel
	x.designated = evaluation.Designated(x.work.Draw, x.trainer, x.panel)
	return nil
}

func optional[V any](v V, err error) (V, error) {
	if errors.Is(err, kv.ErrNotFound) {
		var zero V
		return zero, nil
	}
	return v, err
}

// situation says in a line where every rung stands.
func (c *chain) situation() string {
	var b strings.Builder
	for i := range c.rungs {
		v := &c.rungs[i]
		fmt.Fprintf(&b, "rung %d %s", v.id, v.state.Stage)
		if v.state.Stage == program.StageTraining || v.state.Stage == program.StageSelecting {
			fmt.Fprintf(&b, " (round %d attempt %d %s, %d active, %d committed, %d available, panel %d, %d windows)", v.run.Round, v.run.Attempt,
				v.run.Phase, v.run.Active, v.run.Committed, v.run.Available, v.run.Panel, len(v.windows))
		}
		b.WriteString("; ")
	}
	return b.String()
}

// store is the ledger's store; it shows every write to an observer.
type store struct {
	*kv.Memory
	watch func(key string, value []byte) // nil value: deleted
}

func newStore() *store { return &store{Memory: kv.NewMemory()} }

// Set implements kv.Store.
func (s *store) Set(key, value []byte) error {
	if s.watch != nil {
		s.watch(string(key), append([]byte{}, value...))
	}
	return s.Memory.Set(key, value)
}

// Delete implements kv.Store.
func (s *store) Delete(key []byte) error {
	if s.watch != nil {
		s.watch(string(key), nil)
	}
	return s.Memory.Delete(key)
}

// hashInto adds the whole store to a hash.
func (s *store) hashInto(h *blake3.Hasher) {
	pairs, err := s.Range(nil, nil, 1<<30)
	if err != nil {
		panic(err) // a map in memory
	}
	for _, p := range pairs {
		fmt.Fprintf(h, "%x=%x\n", p.Key, p.Value)
	}
}
