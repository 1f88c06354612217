package record_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/role/hub/hubtest"
	"github.com/crescendo-network/crescendo/role/hub/record"
)

// followed opens a model in a file and follows a chain to its end.
func followed(t *testing.T, path string, c *hubtest.Chain) *record.Model {
	t.Helper()
	m, err := record.NewModel(t.Context(), path, c.Genesis, c.Rules)
	if err != nil {
		t.Fatal(err)
	}
	catchUp(t, m, c)
	return m
}

// catchUp follows until the newest block is there.
func catchUp(t *testing.T, m *record.Model, c *hubtest.Chain) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	done := make(chan error, 1)
	running, halt := context.WithCancel(ctx)
	go func() { done <- m.Follow(running, c, slog.New(slog.DiscardHandler)) }()
	want := crescendo.Height(len(c.Blocks()))
	for height(t, m) < want {
		changed := m.Changed()
		if height(t, m) >= want {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("followed to block %d of %d", height(t, m), want)
		}
	}
	halt()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func height(t *testing.T, m *record.Model) (h crescendo.Height) {
	t.Helper()
	if err := m.Read(func(n record.Now) error {
		if len(n.Wrong) > 0 {
			t.Fatal(n.Wrong)
		}
		h = n.Height
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return h
}

func whole(t *testing.T) *hubtest.Story {
	t.Helper()
	s, err := hubtest.Whole()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// all is everything that the file answers.
func all(t *testing.T, m *record.Model) any {
	t.Helper()
	var out []any
	add := func(v any, err error) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	last, err := m.Last(t.Context())
	add(last, err)
	add(m.Events(t.Context(), record.Filter{}))
	for h := crescendo.Height(1); h <= last; h++ {
		add(m.Block(t.Context(), h))
		add(m.Txs(t.Context(), h, "", 0))
	}
	for _, name := range append(append([]string{}, hubtest.Funders...), hubtest.Trainers...) {
		add(m.Payments(t.Context(), hubtest.Account(name), 0, 0))
		add(m.Events(t.Context(), record.Filter{Account: hubtest.Account(name), Oldest: true}))
	}
	m.Read(func(n record.Now) error {
		out = append(out, n.Tallies, n.Balances(), n.Burned(), n.BlockMillis())
		return nil
	})
	return out
}

// Whoever deletes the file gets the same one again; whoever keeps it goes on
// where it ended; and it does not matter in how many steps it was filled.
func TestRebuilt(t *testing.T) {
	s := whole(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "hub.db")
	first := followed(t, path, s.Chain)
	want := all(t, first)
	first.Close()

	again := followed(t, path, s.Chain)
	if d := cmp.Diff(want, all(t, again)); d != "" {
		t.Errorf("opened again (-first +again):\n%s", d)
	}
	again.Close()

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	fresh := followed(t, path, s.Chain)
	defer fresh.Close()
	if d := cmp.Diff(want, all(t, fresh)); d != "" {
		t.Errorf("deleted and built again (-first +fresh):\n%s", d)
	}

	slow, err := hubtest.NewStory()
	if err != nil {
		t.Fatal(err)
	}
	bit, err := record.NewModel(t.Context(), filepath.Join(dir, "slow.db"), slow.Genesis, slow.Rules)
	if err != nil {
		t.Fatal(err)
	}
	defer bit.Close()
	if err := errors.Join(slow.Close(), slow.Raise(1)); err != nil {
		t.Fatal(err)
	}
	catchUp(t, bit, slow.Chain)
	catchUp(t, bit, s.Chain)
	if d := cmp.Diff(want, all(t, bit)); d != "" {
		t.Errorf("filled in two steps (-first +slow):\n%s", d)
	}
}

// A file of another chain, or of no chain at all, is built again.
func TestForeignFile(t *testing.T) {
	s := whole(t)
	for _, content := range []string{"", "this is not a database, whatever its name says " + strings.Repeat("x", 5000)} {
		path := filepath.Join(t.TempDir(), "hub.db")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		m := followed(t, path, s.Chain)
		m.Close()
	}
	path := filepath.Join(t.TempDir(), "hub.db")
	store, err := record.Open(t.Context(), path, "another-chain", "genesis")
	if err != nil {
		t.Fatal(err)
	}
	store.Close()
	m := followed(t, path, s.Chain)
	m.Close()
}

// lying offers a block in which one byte differs.
type lying struct {
	*hubtest.Chain
	at crescendo.Height
}

func (l lying) Block(ctx context.Context, h crescendo.Height) ([]byte, error) {
	raw, err := l.Chain.Block(ctx, h)
	if h == l.at {
		raw = append([]byte{}, raw...)
		raw[len(raw)/2] ^= 1
	}
	return raw, err
}

// What the validators did not sign does not get in, and the reason is told.
func TestLies(t *testing.T) {
	s := whole(t)
	const at = 7
	m, err := record.NewModel(t.Context(), filepath.Join(t.TempDir(), "hub.db"), s.Genesis, s.Rules)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	go m.Follow(ctx, lying{s.Chain, at}, slog.New(slog.DiscardHandler))
	for {
		changed := m.Changed()
		var stopped error
		m.Read(func(n record.Now) error { stopped = n.Stopped; return nil })
		if stopped != nil {
			if !errors.Is(stopped, record.ErrChain) {
				t.Fatalf("stopped by %v", stopped)
			}
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatal("the changed block was not noticed")
		}
	}
	if h := height(t, m); h != at-1 {
		t.Errorf("executed up to block %d, want %d", h, at-1)
	}
	if last, err := m.Last(t.Context()); err != nil || last != at-1 {
		t.Errorf("recorded up to block %d (%v), want %d", last, err, at-1)
	}
	stop()
	// The honest archive is followed from there.
	catchUp(t, m, s.Chain)
}

// Queries answer what they are asked.
func TestQueries(t *testing.T) {
	s := whole(t)
	m := followed(t, filepath.Join(t.TempDir(), "hub.db"), s.Chain)
	defer m.Close()
	ctx := t.Context()
	expelled, err := m.Events(ctx, record.Filter{Kinds: []string{"training.expelled"}})
	if err != nil || len(expelled) != 1 || expelled[0].Event.Get("trainer") != string(hubtest.Account("rex")) {
		t.Fatalf("expelled: %v, %v", expelled, err)
	}
	rule, err := m.Events(ctx, record.Filter{Kinds: []string{"funding."}, Rung: 1, Oldest: true})
	if err != nil || len(rule) == 0 || rule[0].Event.Kind != "funding.opened" {
		t.Fatalf("events of funding: %v, %v", rule, err)
	}
	for _, e := range rule {
		if !strings.HasPrefix(e.Event.Kind, "funding.") || e.Event.Rung != 1 {
			t.Errorf("asked for funding of rung 1, got %s", e.Event)
		}
	}
	page, err := m.Events(ctx, record.Filter{Before: expelled[0].ID, Limit: 3})
	if err != nil || len(page) != 3 || page[0].ID != expelled[0].ID-1 {
		t.Errorf("page before %d: %v, %v", expelled[0].ID, page, err)
	}
	tx, err := m.Tx(ctx, strings.ToLower(rule[0].Tx))
	if err != nil || tx.Height != rule[0].Height || tx.Kinds != "program.MsgOpenRaise" {
		t.Errorf("transaction: %+v, %v", tx, err)
	}
	if _, err := m.Tx(ctx, "00"); crescendo.CodeOf(err) != crescendo.CodeNotFound {
		t.Errorf("a transaction that is not there: %v", err)
	}
	if _, err := m.Block(ctx, 1_000_000); crescendo.CodeOf(err) != crescendo.CodeNotFound {
		t.Errorf("a block that is not there: %v", err)
	}
}
