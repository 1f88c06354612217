package auditor

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

// TestHonestRun audits a run in which one trainer cheated and was caught:
// everything that the ledger says is so.
func TestHonestRun(t *testing.T) {
	r := recorded(t)
	c := archiveOf(t, r.blobs, r.blocks).config(r)
	c.Trust = hex.EncodeToString(r.blocks[3].Signed.Header.Hash())
	report := audited(t, c)
	for _, f := range report.Failures {
		t.Errorf("%s (%s): %s", f.Claim, f.Class, f.Error)
	}
	if len(report.Unverifiable) != 0 {
		t.Errorf("unverifiable: %q", report.Unverifiable)
	}
	sum := report.ByClass.Proved + report.ByClass.Recomputed + report.ByClass.Attested + report.ByClass.Simulated
	if sum != report.Claims || report.ByClass.Attested != 0 || report.ByClass.Simulated != 3 || report.ByClass.Proved != len(r.blocks)+1 {
		t.Errorf("%+v", report)
	}
	m, err := training.Members.Get(r.ledger.committed, uint32(1), string(signer(rider).Account()))
	if err != nil || m.Fault == "" {
		t.Errorf("the free rider was not caught: %+v, %v", m, err)
	}
	t.Logf("%d blocks: %+v", len(r.blocks), report.ByClass)
}

// refusing is an archive that goes away after some answers.
type refusing struct {
	blob.Store
	answers atomic.Int64
}

var errAway = errors.New("connection refused")

func (r *refusing) Get(ctx context.Context, h crescendo.Hash, max int64) ([]byte, error) {
	if r.answers.Add(-1) < 0 {
		return nil, errAway
	}
	return r.Store.Get(ctx, h, max)
}

// TestArchiveGoesAway: that nobody answers is no failure of the programme.
func TestArchiveGoesAway(t *testing.T) {
	r := recorded(t)
	for _, answers := range []int64{0, 10, int64(len(r.blocks)), int64(len(r.blocks) + 30)} {
		c := archiveOf(t, r.blobs, r.blocks).config(r)
		away := &refusing{Store: c.Blobs}
		away.answers.Store(answers)
		c.Blobs = away
		if _, err := Run(context.Background(), c); !errors.Is(err, errAway) {
			t.Errorf("after %d answers: %v", answers, err)
		}
	}
}

// TestSample replays a tenth of the windows, from published start states.
func TestSample(t *testing.T) {
	r := recorded(t)
	c := archiveOf(t, r.blobs, r.blocks).config(r)
	full := audited(t, c)
	c.Sample = 300
	part := audited(t, c)
	if part.Failed != 0 || part.ByClass.Recomputed >= full.ByClass.Recomputed {
		t.Errorf("sampled %+v of %+v: %s", part, full.ByClass, part.names())
	}
}

// TestLive compares the state that a ledger says it has.
func TestLive(t *testing.T) {
	r := recorded(t)
	c := archiveOf(t, r.blobs, r.blocks).config(r)
	c.Ledger = r.ledger
	report := audited(t, c)
	if report.Failed != 0 || len(report.Unverifiable) != 0 || report.ByClass.Proved < len(r.blocks)+30 {
		t.Errorf("%+v\n%s", report.ByClass, report.names())
	}
	c.Ledger = liar{r.ledger}
	report = audited(t, c)
	for _, want := range []string{"balance of " + string(signer("ada").Account()), "state revenue/book of rung 1", "running ledger at height"} {
		if !strings.Contains(report.names(), want) {
			t.Errorf("want %q among the failures:\n%s", want, report.names())
		}
	}
}

// liar is a ledger that is better to ada than the rules are.
type liar struct{ *recorder }

func (l liar) Balance(ctx context.Context, who crescendo.Account) (crescendo.Amount, error) {
	v, err := l.recorder.Balance(ctx, who)
	if who == signer("ada").Account() {
		v++
	}
	return v, err
}

func (l liar) Head(ctx context.Context) (ledger.Head, error) {
	h, err := l.recorder.Head(ctx)
	h.Beacon[0]++
	return h, err
}

func (l liar) State(ctx context.Context) (ledger.State, error) {
	s, err := l.recorder.State(ctx)
	if err != nil {
		return nil, err
	}
	forged := testState{copyOf(s.(testState).Memory), s.Height()}
	book, err := revenue.Books.Get(forged, uint32(1))
	if err != nil {
		return nil, err
	}
	book.Claimed++
	return forged, revenue.Books.Set(forged, book, uint32(1))
}

// TestOpenedWeights: once the key is public, what the vault said of its model
// can be checked.
func TestOpenedWeights(t *testing.T) {
	r := recorded(t)
	found, err := open(context.Background(), archiveOf(t, r.blobs, r.blocks).config(r))
	if err != nil {
		t.Fatal(err)
	}
	if err := found.history(context.Background()); err != nil {
		t.Fatal(err)
	}
	before := found.findings.held[Recomputed]
	for change, want := range map[crescendo.MicroNats]int{0: 2, 1: 1} {
		rung, err := readRung(found.exec.store, chainID, found.exec.spec, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := rung.openCorpus(context.Background(), found.Blobs); err != nil {
			t.Fatal(err)
		}
		p := &rehearsal{rung: rung, blobs: found.Blobs, findings: found.findings}
		p.benches.engine = found.Engine
		state := copyOf(found.exec.store)
		seal, err := sealing.Seals.Get(state, uint32(1))
		if err != nil || len(seal.Key) == 0 {
			t.Fatalf("the rung was not opened: %v", err)
		}
		seal.Loss += change
		if err := sealing.Seals.Set(state, seal, uint32(1)); err != nil {
			t.Fatal(err)
		}
		if err := p.opened(context.Background(), state); err != nil {
			t.Fatal(err)
		}
		if got := found.findings.held[Recomputed] - before; got != want {
			t.Errorf("loss off by %d: %d claims hold, want %d: %+v", change, got, want, found.findings.failures)
		}
		before = found.findings.held[Recomputed]
	}
}
