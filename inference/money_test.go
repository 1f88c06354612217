package inference_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/internal/transcript"
)

// meter is an honest vault's memory of one session.
type meter struct {
	receipts []inference.SignedReceipt
	escrow   crescendo.Amount
	shown    int // receipts settled so far
}

// serve signs the receipt of one more request, if the escrow allows it.
func (m *meter) serve(id uint64, chain string, in, out uint64) {
	var last inference.Receipt
	r := inference.Receipt{}
	if n := len(m.receipts); n > 0 {
		last = m.receipts[n-1].Receipt
		r = last
		r.Previous = inference.Digest(last)
	}
	inPrice, _ := inference.Price(inputPrice, in)
	outPrice, _ := inference.Price(outputPrice, out)
	r.Chain, r.Session = chain, id
	r.Sequence, r.Requests = last.Sequence+1, last.Requests+1
	r.Input, r.Output, r.Charged = last.Input+in, last.Output+out, last.Charged+inPrice+outPrice
	if r.Charged <= m.escrow {
		m.receipts = append(m.receipts, sign(key(1), r))
	}
}

var parties = []crescendo.Account{"client", "carl", "operator", "stranger"}

func market(t *rapid.T) *transcript.World {
	w, err := transcript.New(map[crescendo.Account]crescendo.Amount{"client": 10_000, "carl": 10_000})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Whatever is submitted in whatever order: the pot holds the open escrow, no
// receipt pays twice, nobody is charged more than the honest receipts say, and
// in the end all that is left has gone back.
func TestMoneyIsConserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, twin := market(t), market(t)
		var meters []*meter
		do := func(step func(crescendo.Env, kv.Store) (crescendo.Outcome, error)) error {
			out, err := w.Do(step)
			if a, b := transcript.Format(out, err), twin.Print(step); a != b {
				t.Fatalf("two runs differ:\n%s\n%s", a, b)
			}
			check(t, w, meters)
			return err
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			drawStep(t, w, &meters, do)
			w.Env.Height++
			twin.Env.Height++
			_ = do(inference.EndBlock)
		}
		if d := cmp.Diff(transcript.Dump(w.Store), transcript.Dump(twin.Store)); d != "" {
			t.Fatal(d)
		}
		closeEverything(t, w, meters)
		w.Env.Height += grace
		if _, err := w.Do(inference.EndBlock); err != nil {
			t.Fatal(err)
		}
		check(t, w, meters)
		if left := w.Bank.Balance("@inference/1"); left != 0 {
			t.Fatalf("%d of escrow is nobody's", left)
		}
	})
}

func closeEverything(t *rapid.T, w *transcript.World, meters []*meter) {
	for i := range meters {
		id := uint64(i + 1)
		session, err := inference.Sessions.Get(w.Store, id)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return inference.Close(env, s, &inference.MsgClose{Sender: session.Client, Session: id}, grace)
		})
		if (err != nil) != (session.Closed || session.Closing != 0) {
			t.Fatalf("close session %d, %+v: %v", id, session, err)
		}
	}
}

func drawStep(t *rapid.T, w *transcript.World, meters *[]*meter, do func(func(crescendo.Env, kv.Store) (crescendo.Outcome, error)) error) {
	who := rapid.SampledFrom(parties).Draw(t, "who")
	kind := rapid.IntRange(0, 9).Draw(t, "step")
	if kind == 0 || len(*meters) == 0 {
		escrow := crescendo.Amount(rapid.Uint64Range(1, 3000).Draw(t, "escrow"))
		m := &inference.MsgOpen{Sender: who, Rung: 1, Vault: crescendo.Hash{7}, Escrow: escrow, Key: public(key(2))}
		before := len(*meters)
		err := do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return inference.OpenSession(env, s, m, inference.Terms{
				Operator: "operator", VaultKey: public(key(1)), InputPrice: inputPrice, OutputPrice: outputPrice, GraceBlocks: grace,
			})
		})
		if err == nil {
			*meters = append((*meters)[:before], &meter{escrow: escrow})
		}
		return
	}
	i := rapid.IntRange(0, len(*meters)-1).Draw(t, "session")
	id, m := uint64(i+1), (*meters)[i]
	switch kind {
	case 1:
		_ = do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return inference.Close(env, s, &inference.MsgClose{Sender: who, Session: id}, grace)
		})
	case 2, 3, 4, 5:
		m.serve(id, w.Env.ChainID, rapid.Uint64Range(0, 90).Draw(t, "in"), rapid.Uint64Range(0, 90).Draw(t, "out"))
	default:
		if len(m.receipts) == 0 {
			return
		}
		from := rapid.IntRange(0, len(m.receipts)-1).Draw(t, "from")
		to := rapid.IntRange(from+1, len(m.receipts)).Draw(t, "to")
		msg := &inference.MsgSettle{Sender: who, Receipts: m.receipts[from:to], Final: rapid.IntRange(0, 5).Draw(t, "final") == 0}
		if rapid.IntRange(0, 3).Draw(t, "tamper") == 0 {
			msg.Receipts = tamper(t, msg.Receipts)
			if do(settle(msg)) == nil {
				t.Fatalf("receipts that were tampered with were settled: %+v", msg)
			}
			return
		}
		err := do(settle(msg))
		if err == nil && from != m.shown {
			t.Fatalf("receipts %d to %d were settled after %d", from, to, m.shown)
		}
		if err == nil {
			m.shown = to
		}
	}
}

func settle(m *inference.MsgSettle) func(crescendo.Env, kv.Store) (crescendo.Outcome, error) {
	return func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
		if err := m.Check(); err != nil {
			return crescendo.Outcome{}, err
		}
		out, settled, err := inference.Settle(env, s, m)
		if err == nil && (settled.Rung != 1 || settled.Operator != "operator") {
			return out, crescendo.Errorf(crescendo.CodeInternal, "settled %+v", settled)
		}
		return out, err
	}
}

// tamper changes one field of one receipt without the vault's key.
func tamper(t *rapid.T, receipts []inference.SignedReceipt) []inference.SignedReceipt {
	out := append([]inference.SignedReceipt(nil), receipts...)
	r := &out[rapid.IntRange(0, len(out)-1).Draw(t, "which")]
	switch rapid.IntRange(0, 5).Draw(t, "field") {
	case 0:
		r.Receipt.Charged++
	case 1:
		r.Receipt.Charged--
	case 2:
		r.Receipt.Requests++
	case 3:
		r.Receipt.Previous[0] ^= 1
	case 4:
		r.Receipt.Chain += "x"
	default:
		r.Signature = append([]byte(nil), r.Signature...)
		r.Signature[rapid.IntRange(0, 63).Draw(t, "byte")] ^= 1
	}
	return out
}

func check(t *rapid.T, w *transcript.World, meters []*meter) {
	usage, err := inference.UsageOf(w.Store, 1)
	if err != nil {
		t.Fatal(err)
	}
	var open, charged crescendo.Amount
	for i, m := range meters {
		session, err := inference.Sessions.Get(w.Store, uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		if !session.Closed {
			open += session.Escrow - session.Settled
		}
		if m.shown > 0 {
			charged += m.receipts[m.shown-1].Receipt.Charged
		}
	}
	if pot := w.Bank.Balance("@inference/1"); (pot != open || pot != usage.Escrowed) && int(usage.Sessions) == len(meters) {
		t.Fatalf("the pot holds %d, open escrow is %d, usage says %+v", pot, open, usage)
	}
	if revenue := w.Bank.Balance("@revenue/1"); revenue != usage.Revenue || revenue < charged {
		t.Fatalf("revenue is %d, honest receipts say %d, usage says %+v", revenue, charged, usage)
	}
}

func TestPriceAgainstBigIntegers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perThousand, tokens := rapid.Uint64().Draw(t, "price"), rapid.Uint64().Draw(t, "tokens")
		want := new(big.Int).Mul(new(big.Int).SetUint64(perThousand), new(big.Int).SetUint64(tokens))
		want.Div(want.Add(want, big.NewInt(999)), big.NewInt(1000))
		got, err := inference.Price(crescendo.Amount(perThousand), tokens)
		if (err == nil) != want.IsUint64() || (err == nil && uint64(got) != want.Uint64()) {
			t.Fatalf("price of %d at %d: %d, %v, want %s", tokens, perThousand, got, err, want)
		}
	})
}

// The bounds on the charge of n requests hold for every honest meter.
func TestHonestChargesAreAccepted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inP, outP := crescendo.Amount(rapid.Uint64Range(0, 5000).Draw(t, "input price")), crescendo.Amount(rapid.Uint64Range(0, 5000).Draw(t, "output price"))
		r := inference.Receipt{Chain: "crescendo-dev-test", Session: 1, Sequence: 1}
		for range rapid.IntRange(1, 20).Draw(t, "requests") {
			in, out := rapid.Uint64Range(0, 3000).Draw(t, "in"), rapid.Uint64Range(0, 3000).Draw(t, "out")
			a, _ := inference.Price(inP, in)
			b, _ := inference.Price(outP, out)
			r.Requests, r.Input, r.Output, r.Charged = r.Requests+1, r.Input+in, r.Output+out, r.Charged+a+b
		}
		w := market(t)
		_, err := w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			out, err := inference.OpenSession(env, s,
				&inference.MsgOpen{Sender: "client", Rung: 1, Vault: crescendo.Hash{7}, Escrow: math.MaxUint64, Key: public(key(2))},
				inference.Terms{Operator: "operator", VaultKey: public(key(1)), InputPrice: inP, OutputPrice: outP})
			if err != nil {
				return out, err
			}
			_, _, err = inference.Settle(env, s, &inference.MsgSettle{Sender: "client", Receipts: []inference.SignedReceipt{sign(key(1), r)}})
			return crescendo.Outcome{}, err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// A thousand sessions that end in one block are refunded over several.
func TestRefundsPerBlockAreBounded(t *testing.T) {
	w, err := transcript.New(map[crescendo.Account]crescendo.Amount{"client": 1000})
	if err != nil {
		t.Fatal(err)
	}
	const sessions = 3*inference.MaxRefunds + 1
	for i := range uint64(sessions) {
		_, err := w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			out, err := inference.OpenSession(env, s,
				&inference.MsgOpen{Sender: "client", Rung: 1, Vault: crescendo.Hash{7}, Escrow: 1, Key: public(key(2))},
				inference.Terms{Operator: "operator", VaultKey: public(key(1))})
			if err != nil {
				return out, err
			}
			closing, err := inference.Close(env, s, &inference.MsgClose{Sender: "client", Session: i + 1}, 3)
			out.Join(closing)
			return out, err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.Env.Height = 4
	for block, want := range []int{64, 64, 64, 1, 0} {
		out, err := w.Do(inference.EndBlock)
		if err != nil || len(out.Transfers) != want {
			t.Errorf("block %d: %d refunds, %v, want %d", block, len(out.Transfers), err, want)
		}
	}
	if got := w.Bank.Balance("client"); got != 1000 {
		t.Errorf("the client has %d back", got)
	}
}

func FuzzMessages(f *testing.F) {
	r := inference.Receipt{Chain: "crescendo-dev-test", Session: 1, Sequence: 1, Requests: 1, Input: 3, Charged: 3}
	f.Add(canon.Encode(inference.MsgSettle{Sender: "client", Receipts: []inference.SignedReceipt{sign(key(1), r)}, Final: true}))
	f.Add(canon.Encode(inference.MsgOpen{Sender: "client", Rung: 1, Vault: crescendo.Hash{7}, Escrow: 10, Key: public(key(2))}))
	f.Add(canon.Encode(inference.MsgClose{Sender: "client", Session: 1}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		w, err := transcript.New(map[crescendo.Account]crescendo.Amount{"client": 1000})
		if err != nil {
			t.Fatal(err)
		}
		terms := inference.Terms{Operator: "operator", VaultKey: public(key(1)), InputPrice: inputPrice, OutputPrice: outputPrice}
		open := func(m *inference.MsgOpen) {
			_, _ = w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
				return inference.OpenSession(env, s, m, terms)
			})
		}
		open(&inference.MsgOpen{Sender: "client", Rung: 1, Vault: crescendo.Hash{7}, Escrow: 100, Key: public(key(2))})
		var o inference.MsgOpen
		if canon.Decode(raw, &o) == nil && o.Check() == nil {
			open(&o)
		}
		var s inference.MsgSettle
		if canon.Decode(raw, &s) == nil && s.Check() == nil {
			_, _ = w.Do(settle(&s))
		}
		var c inference.MsgClose
		if canon.Decode(raw, &c) == nil && c.Check() == nil {
			_, _ = w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
				return inference.Close(env, s, &c, 1<<63)
			})
		}
		usage, err := inference.UsageOf(w.Store, 1)
		if err != nil || usage.Escrowed != w.Bank.Balance("@inference/1") || usage.Revenue != w.Bank.Balance("@revenue/1") {
			t.Errorf("usage %+v, %v, bank:\n%s", usage, err, w.Bank)
		}
	})
}

func BenchmarkSettle64Receipts(b *testing.B) {
	m := &meter{escrow: 1 << 40}
	for range inference.MaxReceipts {
		m.serve(1, "crescendo-dev-test", 100, 100)
	}
	w, err := transcript.New(map[crescendo.Account]crescendo.Amount{"client": 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	_, err = w.Do(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
		return inference.OpenSession(env, s,
			&inference.MsgOpen{Sender: "client", Rung: 1, Vault: crescendo.Hash{7}, Escrow: m.escrow, Key: public(key(2))},
			inference.Terms{Operator: "operator", VaultKey: public(key(1)), InputPrice: inputPrice, OutputPrice: outputPrice})
	})
	if err != nil {
		b.Fatal(err)
	}
	msg := &inference.MsgSettle{Sender: "client", Receipts: m.receipts}
	for b.Loop() {
		if _, err := settle(msg)(w.Env, kv.NewOverlay(w.Store)); err != nil {
			b.Fatal(err)
		}
	}
}
