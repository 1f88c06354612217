package up

import (
	"errors"
	"log/slog"
	"os"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/blob/file"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger/ledgertest"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/node/supervise"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/training"
)

// A bit is flipped where a store notices, and put right again.
func TestCorruptedBlobIsNoticedAndRestored(t *testing.T) {
	s, err := file.Open(t.TempDir(), file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Put(t.Context(), []byte("a delta"))
	if err != nil {
		t.Fatal(err)
	}
	restore, err := flip(s.Path(h))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), h, 0); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("after the bit was flipped: %v", err)
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	if data, err := s.Get(t.Context(), h, 0); err != nil || string(data) != "a delta" {
		t.Errorf("restored: %q, %v", data, err)
	}
	if _, err := flip(s.Path(crescendo.Hash{1})); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a blob that is not there: %v", err)
	}
}

func TestOnlyTrainersAreKilled(t *testing.T) {
	entries := []supervise.Entry{{Role: "ledger", Name: "ledger", PID: 2}, {Role: "trainer", Name: "trainer-1"}, {Role: "trainer", Name: "trainer-2", PID: 3}}
	if e, ok := victim(entries); !ok || e.Name != "trainer-2" {
		t.Errorf("%+v, %v: want the trainer that runs", e, ok)
	}
	if e, ok := victim(entries[:2]); ok {
		t.Errorf("%+v", e)
	}
}

// shop is a workshop over a ledger on which rung 1 stands as given.
func shop(t *testing.T, at *training.Run, works ...training.Work) workshop {
	t.Helper()
	g := ledgertest.NewGenesis()
	chain, err := memory.New(memory.Options{ChainID: g.ChainID, Denom: g.Spec.Denom}, program.Rules{}, func(s kv.Store) error {
		if at != nil {
			if err := training.Runs.Set(s, *at, uint32(1)); err != nil {
				return err
			}
		}
		for i, w := range works { // of rounds 1, 2 and so on
			if err := training.Works.Set(s, w, uint32(1), uint32(i+1), "ada"); err != nil {
				return err
			}
		}
		return program.Genesis(s, g.Spec)
	}, g.Balances)
	if err != nil {
		t.Fatal(err)
	}
	u := &run{ledger: chain, cast: castOf(programfile.Demo{}, 1), log: slog.New(slog.DiscardHandler)}
	u.Spec = g.Spec
	return u.workshop()
}

// Buttons that cannot do anything say so, with a remedy, and do nothing.
func TestButtonsSayWhyNot(t *testing.T) {
	full := &training.Run{Phase: training.Working, Round: 1, Seated: 4}
	over := &training.Run{Phase: training.Auditing, Round: 2}
	for name, c := range map[string]struct {
		run    *training.Run
		button string
		code   crescendo.Code
	}{
		"no trainer":        {nil, "kill-trainer", crescendo.CodeWrongTime},
		"training is over":  {over, "add-cheat", crescendo.CodeWrongTime},
		"no seat is free":   {full, "add-cheat", crescendo.CodeWrongTime},
		"no round yet":      {nil, "corrupt-blob", crescendo.CodeWrongTime},
		"no such button":    {nil, "format-disk", crescendo.CodeNotFound},
		"round 1 goes on":   {full, "corrupt-blob", crescendo.CodeWrongTime},
		"nothing was named": {nil, "", crescendo.CodeNotFound},
	} {
		_, err := shop(t, c.run).Press(t.Context(), c.button)
		var e *crescendo.Error
		if !errors.As(err, &e) || e.Code != c.code || (e.Code == crescendo.CodeWrongTime && e.Hint == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A second press does not flip the same bit back: what undoes the second flip
// would then damage the blob for good.
func TestDamageIsDoneOnce(t *testing.T) {
	dir := home.Home{Dir: t.TempDir()}
	store, err := file.Open(dir.Path("archive", "blobs"), file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := store.Put(t.Context(), []byte("a delta"))
	if err != nil {
		t.Fatal(err)
	}
	w := shop(t, &training.Run{Phase: training.Auditing, Round: 2}, training.Work{Payload: h, Available: true})
	w.u.Home, w.u.blobs, w.u.Say = dir, store, t.Logf
	if done, err := w.Press(t.Context(), "corrupt-blob"); err != nil {
		t.Fatalf("%+v, %v", done, err)
	}
	if done, err := w.Press(t.Context(), "corrupt-blob"); crescendo.CodeOf(err) != crescendo.CodeWrongTime {
		t.Errorf("pressed again: %+v, %v", done, err)
	}
	if _, err := store.Get(t.Context(), h, 0); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("the damaged delta: %v", err)
	}
}

// Every free rider that a button adds is another one.
func TestNewcomers(t *testing.T) {
	w := shop(t, nil)
	state, err := w.u.ledger.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"workshop-1", "workshop-2", "workshop-3", "workshop-4"} {
		p, err := w.newcomer(state)
		if err != nil || p.Name != want || p.Cheat == "" {
			t.Errorf("%+v, %v: want %s", p, err, want)
		}
		w.u.entries = append(w.u.entries, supervise.Entry{Role: "trainer", Name: p.Name, PID: 5})
	}
	if p, err := w.newcomer(state); crescendo.CodeOf(err) != crescendo.CodeWrongTime {
		t.Errorf("%+v, %v", p, err)
	}
}
