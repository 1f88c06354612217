package auditor

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/training"
)

// names lists the claims that failed.
func (r Report) names() string {
	var b strings.Builder
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "%s: %s\n", f.Claim, f.Error)
	}
	return b.String()
}

// TestChangedBlob flips one bit of each blob in turn; the audit names it, and
// what rests on it.
func TestChangedBlob(t *testing.T) {
	r := recorded(t)
	a := archiveOf(t, r.blobs, r.blocks)
	var all []crescendo.Hash
	for h, err := range a.List(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if testing.Short() {
		all = all[:8]
	}
	for _, h := range all[:min(len(all), 40)] {
		var at int
		flip := func(b []byte) []byte {
			at = rng.IntN(len(b))
			b[at] ^= 1 << rng.IntN(8)
			return b
		}
		original, err := a.Get(context.Background(), h, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Damage(h, flip); err != nil {
			t.Fatal(err)
		}
		report := audited(t, a.config(r))
		if report.Failed == 0 || !strings.Contains(report.names(), h.String()) {
			t.Errorf("byte %d of blob %s was changed: %d failures\n%s", at, h, report.Failed, report.names())
		}
		if err := a.Damage(h, func([]byte) []byte { return original }); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMissingPayload audits an archive that has lost a payload: what it takes
// to check is said to be unverifiable, nothing fails.
func TestMissingPayload(t *testing.T) {
	r := recorded(t)
	a := archiveOf(t, r.blobs, r.blocks)
	lost := reveal(t, r.blocks, "ada", 2).Payload
	if err := a.Delete(context.Background(), lost); err != nil {
		t.Fatal(err)
	}
	report := audited(t, a.config(r))
	if report.Failed != 0 || len(report.Unverifiable) == 0 || !strings.Contains(strings.Join(report.Unverifiable, "\n"), "payload of "+string(signer("ada").Account())+" in round 2") {
		t.Errorf("%+v", report)
	}
}

// TestRenamedBlock changes one byte of an archived block and files it under
// the name that then fits. Nothing in a block is beyond checking.
func TestRenamedBlock(t *testing.T) {
	r := recorded(t)
	a := archiveOf(t, r.blobs, r.blocks)
	rng := rand.New(rand.NewPCG(3, 4))
	last := len(r.blocks) - 1 // nothing has confirmed its results yet
	for range 40 {
		i := rng.IntN(last)
		raw := r.blocks[i].Encode()
		at := rng.IntN(len(raw))
		raw[at] ^= 1 << rng.IntN(8)
		name, err := a.Put(context.Background(), raw)
		if err != nil {
			t.Fatal(err)
		}
		c := a.config(r)
		c.Blocks = func(context.Context) ([]crescendo.Hash, error) {
			names := slices.Clone(a.names)
			names[i] = name
			return names, nil
		}
		found, err := open(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := found.history(context.Background()); err != nil {
			t.Fatal(err)
		}
		if report := found.findings.report(); report.Failed == 0 {
			t.Errorf("byte %d of %d in block %d was changed and nothing noticed", at, len(raw), i+1)
		}
	}
}

// forge returns the chain with a transaction of one account rewritten, signed
// again by that account, and all blocks from there on hashed and signed again
// by the validator.
func forge(t *testing.T, r *recording, by string, rewrite func(crescendo.Message)) []light.Block {
	t.Helper()
	blocks := slices.Clone(r.blocks)
	first := -1
	for i := range blocks {
		blocks[i].Txs = slices.Clone(blocks[i].Txs)
		for k, raw := range blocks[i].Txs {
			tx, err := wire.Decode(raw)
			if err != nil || tx.Signer != signer(by).Account() {
				continue
			}
			d := wire.Draft{ChainID: chainID, Account: r.ledger.numbers[tx.Signer], Sequence: tx.Sequence, PublicKey: tx.PublicKey, Messages: tx.Messages}
			for _, m := range d.Messages {
				rewrite(m)
			}
			signature, err := signer(by).Sign(d.SignDocument())
			if err != nil {
				t.Fatal(err)
			}
			if forged := d.Encode(signature); !bytes.Equal(forged, raw) {
				blocks[i].Txs[k] = forged
				if first < 0 {
					first = i
				}
			}
		}
	}
	if first < 0 {
		t.Fatal("nothing was rewritten")
	}
	sealFrom(blocks, first, r.key)
	return blocks
}

// reveal finds what a trainer revealed in a round.
func reveal(t *testing.T, blocks []light.Block, by string, number crescendo.Round) training.MsgReveal {
	t.Helper()
	for _, b := range blocks {
		for _, raw := range b.Txs {
			tx, err := wire.Decode(raw)
			if err != nil {
				continue
			}
			for _, m := range tx.Messages {
				if m, ok := m.(*training.MsgReveal); ok && m.Round == number && m.Sender == signer(by).Account() {
					return *m
				}
			}
		}
	}
	t.Fatalf("%s revealed nothing in round %d", by, number)
	return training.MsgReveal{}
}

// TestForgedReveal alters a reveal and all that hangs on it: the payload, the
// trainer's commitment and signature, every later hash and signature. Keys of
// everybody are at hand. Replaying the window tells, and so does a hash that
// was noted before.
func TestForgedReveal(t *testing.T) {
	r := recorded(t)
	real := reveal(t, r.blocks, "ada", 1)
	payload, err := r.blobs.Get(context.Background(), real.Payload, 0)
	if err != nil {
		t.Fatal(err)
	}
	payload = bytes.Clone(payload)
	payload[len(payload)-1] ^= 1 << 2
	forged := real
	forged.Payload = blob.Sum(payload)
	blocks := forge(t, r, "ada", func(m crescendo.Message) {
		switch m := m.(type) {
		case *training.MsgCommit:
			if m.Round == 1 {
				m.Commitment = training.Commitment(chainID, 1, 1, m.Sender, forged)
			}
		case *training.MsgReveal:
			if m.Round == 1 {
				*m = forged
			}
		}
	})
	a := archiveOf(t, r.blobs, blocks)
	if _, err := a.Put(context.Background(), payload); err != nil {
		t.Fatal(err)
	}
	c := a.config(r)
	report := audited(t, c)
	want := fmt.Sprintf("window of %s in round 1 of rung 1: the trainer revealed payload %s", signer("ada").Account(), forged.Payload)
	if !strings.Contains(report.names(), want) {
		t.Errorf("want %q among the failures:\n%s", want, report.names())
	}
	for _, f := range report.Failures {
		if f.Class == Proved {
			t.Errorf("the forged chain is not one chain: %s: %s", f.Claim, f.Error)
		}
	}
	c.Trust = hex.EncodeToString(r.blocks[len(r.blocks)-1].Signed.Header.Hash())
	if report = audited(t, c); !strings.Contains(report.names(), "trusted hash") {
		t.Errorf("the chain is not the trusted one:\n%s", report.names())
	}
}

// TestForgedHistory lets everybody collude and play on honestly after a forged
// reveal, so that all later blocks follow from it by the rules. Only replaying
// the window, or a trusted hash, can tell.
func TestForgedHistory(t *testing.T) {
	r := recorded(t)
	real := reveal(t, r.blocks, "ada", 1)
	payload, err := r.blobs.Get(context.Background(), real.Payload, 0)
	if err != nil {
		t.Fatal(err)
	}
	payload = bytes.Clone(payload)
	payload[len(payload)-1] ^= 1 << 2
	g, err := ParseGenesis(r.genesis)
	if err != nil {
		t.Fatal(err)
	}
	x, err := newExecution(g, rules())
	if err != nil {
		t.Fatal(err)
	}
	forged := real
	forged.Payload = blob.Sum(payload)
	blocks := forge(t, r, "ada", func(m crescendo.Message) {
		switch m := m.(type) {
		case *training.MsgCommit:
			if m.Round == 1 {
				m.Commitment = training.Commitment(chainID, 1, 1, m.Sender, forged)
			}
		case *training.MsgReveal:
			if m.Round == 1 {
				*m = forged
			}
		}
	})
	reexecute(x, blocks, r)
	a := archiveOf(t, r.blobs, blocks)
	if _, err := a.Put(context.Background(), payload); err != nil {
		t.Fatal(err)
	}
	report := audited(t, a.config(r))
	window := fmt.Sprintf("window of %s in round 1 of rung 1", signer("ada").Account())
	if !strings.Contains(report.names(), window) {
		t.Errorf("want %q among the failures:\n%s", window, report.names())
	}
	for _, f := range report.Failures {
		if strings.Contains(f.Claim, "transaction") || strings.Contains(f.Claim, "end of block") || f.Class == Proved {
			t.Errorf("the forgers made a mistake: %s: %s", f.Claim, f.Error)
		}
	}
}

// reexecute makes results and headers of blocks follow from their
// transactions.
func reexecute(x *execution, blocks []light.Block, r *recording) {
	for i := range blocks {
		b := &blocks[i]
		env := crescendo.Env{ChainID: chainID, Height: crescendo.Height(i + 1), Time: b.Signed.Header.Time.Seconds, Beacon: wire.Beacon(x.previous)}
		b.Results = nil
		for _, raw := range b.Txs {
			b.Results = append(b.Results, x.produce(env, raw))
		}
		b.EndEvents, _ = x.endBlock(env)
		sealFrom(blocks[:i+1], i, r.key)
		x.previous = b.Signed.Header.Hash()
	}
}

// TestStolenSignature has a transaction signed by somebody else.
func TestStolenSignature(t *testing.T) {
	r := recorded(t)
	blocks := slices.Clone(r.blocks)
	for i := range blocks {
		for k, raw := range blocks[i].Txs {
			tx, err := wire.Decode(raw)
			if err != nil || len(tx.Messages) != 1 {
				continue
			}
			m, ok := tx.Messages[0].(*evaluation.MsgReplay)
			if !ok {
				continue
			}
			m.End = crescendo.Hash{1}
			thief := memory.NewSigner("thief")
			d := wire.Draft{ChainID: chainID, Account: r.ledger.numbers[tx.Signer], Sequence: tx.Sequence, PublicKey: tx.PublicKey, Messages: tx.Messages}
			signature, err := thief.Sign(d.SignDocument())
			if err != nil {
				t.Fatal(err)
			}
			blocks[i].Txs = slices.Clone(blocks[i].Txs)
			blocks[i].Txs[k] = d.Encode(signature)
			sealFrom(blocks, i, r.key)
			report := audited(t, archiveOf(t, r.blobs, blocks).config(r))
			want := fmt.Sprintf("transaction %d of block %d (Replay by %s): %s", k+1, i+1, tx.Signer, errSignature)
			if !strings.Contains(report.names(), want) {
				t.Errorf("want %q among the failures:\n%s", want, report.names())
			}
			return
		}
	}
	t.Fatal("nobody reported a replay")
}
