package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/training"
)

// idle are rules that let blocks pass, and a state set at genesis.
type idle struct{}

func (idle) Apply(crescendo.Env, kv.Store, crescendo.Message) (crescendo.Outcome, error) {
	return crescendo.Outcome{}, errors.New("nothing is accepted here")
}

func (idle) EndBlock(crescendo.Env, kv.Store) (crescendo.Outcome, error) {
	return crescendo.Outcome{}, nil
}

// source makes up blocks and fails the first time it is asked for each third.
type source map[crescendo.Height]bool

func (s source) Block(_ context.Context, h crescendo.Height) ([]byte, error) {
	if h%3 == 0 && !s[h] {
		s[h] = true
		return nil, errors.New("not yet")
	}
	return fmt.Appendf(nil, "block %d", h), nil
}

func open(t *testing.T, dir string, genesis func(kv.Store) error) (*Archive, *memory.Chain, blob.Store) {
	t.Helper()
	chain, err := memory.New(memory.Options{Manual: true}, idle{}, genesis, nil)
	if err != nil {
		t.Fatal(err)
	}
	store := blob.NewMemory()
	a, err := New(Config{
		Store: store, Ledger: chain, Source: source{}, Programme: Programme{ChainID: chain.ChainID()},
		Index: filepath.Join(dir, "index"), AllowPut: true, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a, chain, store
}

func get(t *testing.T, url string, v any) int {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if v != nil {
		if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
			t.Fatal(err)
		}
	}
	return resp.StatusCode
}

func TestEveryBlockIsArchivedInOrder(t *testing.T) {
	dir := t.TempDir()
	a, chain, store := open(t, dir, func(kv.Store) error { return nil })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	for range 7 {
		if _, err := chain.Advance(); err != nil {
			t.Fatal(err)
		}
	}
	for a.blocks.last() < 7 && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	server := httptest.NewServer(a.Handler())
	defer server.Close()
	var page Blocks
	get(t, server.URL+"/v1/blocks?from=3", &page)
	if page.From != 3 || page.Last != 7 || len(page.Blobs) != 5 {
		t.Fatalf("page %+v", page)
	}
	raw, err := store.Get(ctx, page.Blobs[0], 0)
	if err != nil || string(raw) != "block 3" {
		t.Errorf("block 3 is %q, %v", raw, err)
	}
	var p Programme
	get(t, server.URL+"/v1/programme", &p)
	if p.ChainID != chain.ChainID() {
		t.Errorf("programme %+v", p)
	}
	for _, from := range []string{"", "0", "-1", "x"} {
		if status := get(t, server.URL+"/v1/blocks?from="+from, nil); status != http.StatusBadRequest {
			t.Errorf("from=%s: status %d", from, status)
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestIndexSurvivesACutLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index")
	names := []crescendo.Hash{{1}, {2}, {3}}
	x, err := openIndex(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range names {
		if err := x.add(crescendo.Height(i+1), n); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.add(9, names[0]); err == nil {
		t.Error("a gap in the index was accepted")
	}
	x.close()
	if err := os.Truncate(path, 3*int64(lineLength)-5); err != nil {
		t.Fatal(err)
	}
	if x, err = openIndex(path); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(names[:2], x.page(1, 10)); d != "" {
		t.Error(d)
	}
	if err := x.add(3, names[2]); err != nil || x.last() != 3 {
		t.Error(err, x.last())
	}
	x.close()
	if err := os.WriteFile(path, []byte(strings.Repeat("z", 2*lineLength)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openIndex(path); err == nil {
		t.Error("a damaged index was accepted")
	}
}

// Of each superseded round, what nobody needs any more goes; payloads,
// updates, each tenth round and the first stay.
func TestSupersededBlobsAreCleared(t *testing.T) {
	const rounds = 25
	store := blob.NewMemory()
	put := func(format string, args ...any) crescendo.Hash {
		h, err := store.Put(t.Context(), fmt.Appendf(nil, format, args...))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	chain, err := memory.New(memory.Options{Manual: true}, idle{}, func(s kv.Store) error {
		run := training.Run{Round: rounds, Start: put("checkpoint %d", 0), Base: put("checkpoint %d", rounds-1)}
		for r := range rounds - 1 {
			round := uint32(r + 1)
			closed := training.Closed{Base: put("checkpoint %d", r), Checkpoint: put("checkpoint %d", r+1),
				BaseError: put("error %d", r), Update: put("update %d", r)}
			work := training.Work{Start: put("state %d", r), Payload: put("payload %d", r), Drawn: true, Settled: round != 18}
			if err := errors.Join(training.Rounds.Set(s, closed, uint32(1), round), training.Works.Set(s, work, uint32(1), round, "ada")); err != nil {
				return err
			}
		}
		return training.Runs.Set(s, run, uint32(1))
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sw := newSweeper(Config{Store: store, Ledger: chain, Log: slog.New(slog.DiscardHandler)})
	if err := sw.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for r := range rounds - 1 {
		round := r + 1
		// Round 18 waits for its audit, and holds up the rounds above it.
		kept := round == 1 || round == 10 || round >= 18
		for what, want := range map[string]bool{"checkpoint": kept, "error": kept, "state": kept, "update": true, "payload": true} {
			has, _ := store.Has(t.Context(), blob.Sum(fmt.Appendf(nil, "%s %d", what, r)))
			if has != want {
				t.Errorf("%s that round %d begins with: kept %v, want %v", what, round, has, want)
			}
		}
	}
}
