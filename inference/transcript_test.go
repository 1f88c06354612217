package inference_test

import (
	"crypto/ed25519"
	"fmt"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/internal/transcript"
)

const (
	inputPrice  = 1000 // one unit a token: easy to read
	outputPrice = 1500
	grace       = 10
)

// Each file in testdata is a conversation with the rules of inference. After a
// change on purpose, run: go test ./inference -rewrite, and read the diff.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w, err := transcript.New(map[crescendo.Account]crescendo.Amount{"client": 1000, "carl": 1000})
		if err != nil {
			t.Fatal(err)
		}
		talk := &conversation{World: w, vault: key(1), drawer: map[string]inference.SignedReceipt{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return talk.command(t, d) })
	})
}

func key(seed byte) ed25519.PrivateKey {
	raw := make([]byte, ed25519.SeedSize)
	raw[0] = seed
	return ed25519.NewKeyFromSeed(raw)
}

func public(k ed25519.PrivateKey) []byte { return k.Public().(ed25519.PublicKey) }

func sign(k ed25519.PrivateKey, r inference.Receipt) inference.SignedReceipt {
	d := inference.Digest(r)
	return inference.SignedReceipt{Receipt: r, Signature: ed25519.Sign(k, d[:])}
}

// conversation has a vault beside the rules, and a drawer of named receipts.
type conversation struct {
	*transcript.World
	vault  ed25519.PrivateKey
	drawer map[string]inference.SignedReceipt
}

func (c *conversation) command(t *testing.T, d *datadriven.TestData) string {
	var by string
	var session uint64
	d.MaybeScanArgs(t, "by", &by)
	d.MaybeScanArgs(t, "session", &session)
	switch d.Cmd {
	case "height":
		d.ScanArgs(t, "to", &c.Env.Height)
		return c.Print(inference.EndBlock)
	case "open":
		var escrow uint64
		var weights string
		d.ScanArgs(t, "escrow", &escrow)
		d.MaybeScanArgs(t, "weights", &weights)
		m := &inference.MsgOpen{Sender: crescendo.Account(by), Rung: 1, Vault: crescendo.Hash{7}, Escrow: crescendo.Amount(escrow), Key: public(key(2))}
		return c.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return inference.OpenSession(env, s, m, inference.Terms{
				Operator: "operator", VaultKey: public(c.vault), InputPrice: inputPrice, OutputPrice: outputPrice, GraceBlocks: grace,
				Weights: weights,
			})
		})
	case "receipt":
		return c.receipt(t, d)
	case "settle":
		m := &inference.MsgSettle{Sender: crescendo.Account(by), Final: d.HasArg("final")}
		if arg, ok := d.Arg("receipts"); ok {
			for _, name := range arg.Vals {
				m.Receipts = append(m.Receipts, c.drawer[name])
			}
		}
		return c.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			if err := m.Check(); err != nil {
				return crescendo.Outcome{}, err
			}
			out, _, err := inference.Settle(env, s, m)
			return out, err
		})
	case "close":
		return c.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return inference.Close(env, s, &inference.MsgClose{Sender: crescendo.Account(by), Session: session}, grace)
		})
	case "weights":
		s, err := inference.Sessions.Get(c.Store, session)
		return fmt.Sprintf("%s %v\n", inference.WeightsName(s.Weights), err)
	case "usage":
		usage, err := inference.UsageOf(c.Store, 1)
		return fmt.Sprintf("%+v %v\n", usage, err)
	case "balances":
		return c.Bank.String()
	}
	d.Fatalf(t, "unknown command %q", d.Cmd)
	return ""
}

// receipt writes the receipt that follows another one and puts it into the
// drawer: one request with the given tokens, at the price of the rules unless
// charged says otherwise.
func (c *conversation) receipt(t *testing.T, d *datadriven.TestData) string {
	var name, after, chain string
	session, input, output, requests := uint64(1), uint64(0), uint64(0), uint64(1)
	d.ScanArgs(t, "name", &name)
	d.MaybeScanArgs(t, "after", &after)
	d.MaybeScanArgs(t, "session", &session)
	d.MaybeScanArgs(t, "in", &input)
	d.MaybeScanArgs(t, "out", &output)
	d.MaybeScanArgs(t, "requests", &requests)
	chain = c.Env.ChainID
	d.MaybeScanArgs(t, "chain", &chain)
	last := c.drawer[after].Receipt
	r := last
	r.Chain, r.Session = chain, session
	r.Sequence++
	if after != "" {
		r.Previous = inference.Digest(last)
	}
	r.Requests += requests
	r.Input += input
	r.Output += output
	in, err1 := inference.Price(inputPrice, input)
	out, err2 := inference.Price(outputPrice, output)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	charge := uint64(in + out)
	d.MaybeScanArgs(t, "charged", &charge)
	r.Charged += crescendo.Amount(charge)
	signer := c.vault
	if d.HasArg("forged") {
		signer = key(9)
	}
	c.drawer[name] = sign(signer, r)
	return fmt.Sprintf("sequence %d: %d requests, %d in, %d out, charged %d\n", r.Sequence, r.Requests, r.Input, r.Output, r.Charged)
}
