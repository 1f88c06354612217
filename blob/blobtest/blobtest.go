// Package blobtest says what a blob.Store must do, as tests. A driver passes
// when Run passes.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
)

// Fixture is one fresh, empty store and a way to damage what it holds.
type Fixture struct {
	Store blob.Store
	// Damage replaces the stored bytes of h by what change makes of them,
	// behind the store's back.
	Damage func(h crescendo.Hash, change func([]byte) []byte) error
	// MaxBytes is the object size limit the store was opened with; it should
	// be small (some hundred KiB). Zero skips the test of the limit.
	MaxBytes int64
}

// Run runs the suite; open is called once per subtest.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Fixture)
	}{
		{"RoundTrip", roundTrip},
		{"Absent", absent},
		{"PutIsIdempotent", putIsIdempotent},
		{"ResultsAreCopies", resultsAreCopies},
		{"Delete", deletes},
		{"ListIsSorted", listIsSorted},
		{"ListStops", listStops},
		{"CallerLimit", callerLimit},
		{"StoreLimit", storeLimit},
		{"Corruption", corruption},
		{"PutHeals", putHeals},
		{"Cancelled", cancelled},
		{"Concurrent", concurrent},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

// sample returns n bytes that depend on seed alone.
func sample(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func put(t *testing.T, s blob.Store, data []byte) crescendo.Hash {
	t.Helper()
	h, err := s.Put(t.Context(), data)
	if err != nil {
		t.Fatalf("put %d bytes: %v", len(data), err)
	}
	if want := blob.Sum(data); h != want {
		t.Fatalf("put returned %s, want %s", h, want)
	}
	return h
}

func names(t *testing.T, s blob.Store) []crescendo.Hash {
	t.Helper()
	var got []crescendo.Hash
	for h, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		got = append(got, h)
	}
	return got
}

func roundTrip(t *testing.T, f Fixture) {
	for _, n := range []int{0, 1, 63, 1024, 4097, 100_000} {
		data := sample(uint64(n), n)
		h := put(t, f.Store, data)
		got, err := f.Store.Get(t.Context(), h, 0)
		if err != nil {
			t.Fatalf("get %d bytes: %v", n, err)
		}
		if !bytes.Equal(got, data) {
			t.Fatalf("%d bytes changed on the way", n)
		}
		if ok, err := f.Store.Has(t.Context(), h); err != nil || !ok {
			t.Fatalf("has %s = %v, %v", h, ok, err)
		}
	}
}

func absent(t *testing.T, f Fixture) {
	h := blob.Sum([]byte("never stored"))
	_, err := f.Store.Get(t.Context(), h, 0)
	if !errors.Is(err, blob.ErrNotFound) || !strings.Contains(err.Error(), h.String()) {
		t.Errorf("get of an absent blob: %v", err)
	}
	if ok, err := f.Store.Has(t.Context(), h); err != nil || ok {
		t.Errorf("has of an absent blob = %v, %v", ok, err)
	}
	if err := f.Store.Delete(t.Context(), h); err != nil {
		t.Errorf("delete of an absent blob: %v", err)
	}
	if got := names(t, f.Store); len(got) != 0 {
		t.Errorf("empty store lists %v", got)
	}
}

func putIsIdempotent(t *testing.T, f Fixture) {
	data := sample(1, 5000)
	for range 3 {
		put(t, f.Store, data)
	}
	if got := names(t, f.Store); len(got) != 1 {
		t.Errorf("three puts of one object list %d names", len(got))
	}
}

func resultsAreCopies(t *testing.T, f Fixture) {
	data := sample(2, 300)
	want := bytes.Clone(data)
	h := put(t, f.Store, data)
	data[0]++ // the store must not have kept the caller's slice
	got, err := f.Store.Get(t.Context(), h, 0)
	if err != nil {
		t.Fatal(err)
	}
	got[1]++
	again, err := f.Store.Get(t.Context(), h, 0)
	if err != nil || !bytes.Equal(again, want) {
		t.Errorf("stored bytes follow the caller's slices: %v", err)
	}
}

func deletes(t *testing.T, f Fixture) {
	keep, drop := put(t, f.Store, sample(3, 10)), put(t, f.Store, sample(4, 10))
	if err := f.Store.Delete(t.Context(), drop); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Store.Get(t.Context(), drop, 0); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("get after delete: %v", err)
	}
	if got := names(t, f.Store); !slices.Equal(got, []crescendo.Hash{keep}) {
		t.Errorf("list after delete: %v, want %v", got, keep)
	}
}

func listIsSorted(t *testing.T, f Fixture) {
	var want []crescendo.Hash
	for i := range 40 {
		want = append(want, put(t, f.Store, fmt.Appendf(nil, "object %d", i)))
	}
	slices.SortFunc(want, blob.Compare)
	if got := names(t, f.Store); !slices.Equal(got, want) {
		t.Errorf("list gives %d names, out of order or incomplete; want %d", len(got), len(want))
	}
}

func listStops(t *testing.T, f Fixture) {
	for i := range 5 {
		put(t, f.Store, fmt.Appendf(nil, "object %d", i))
	}
	n := 0
	for _, err := range f.Store.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("list yielded %d names after break at 2", n)
	}
}

func callerLimit(t *testing.T, f Fixture) {
	h := put(t, f.Store, sample(5, 1000))
	_, err := f.Store.Get(t.Context(), h, 999)
	if !errors.Is(err, blob.ErrTooLarge) || !strings.Contains(err.Error(), h.String()) {
		t.Errorf("get of 1000 bytes with limit 999: %v", err)
	}
	if _, err := f.Store.Get(t.Context(), h, 1000); err != nil {
		t.Errorf("get of 1000 bytes with limit 1000: %v", err)
	}
}

func storeLimit(t *testing.T, f Fixture) {
	if f.MaxBytes == 0 {
		t.Skip("no limit given")
	}
	if _, err := f.Store.Put(t.Context(), sample(6, int(f.MaxBytes)+1)); !errors.Is(err, blob.ErrTooLarge) {
		t.Errorf("put of an oversized object: %v", err)
	}
	put(t, f.Store, sample(6, int(f.MaxBytes)))
}

func corruption(t *testing.T, f Fixture) {
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
	}{
		{"flipped bit", func(b []byte) []byte { b[len(b)/2] ^= 0x10; return b }},
		{"truncated", func(b []byte) []byte { return b[:len(b)-1] }},
		{"emptied", func([]byte) []byte { return nil }},
		{"extended", func(b []byte) []byte { return append(b, 0) }},
	} {
		h := put(t, f.Store, sample(7, 9000))
		if err := f.Damage(h, c.change); err != nil {
			t.Fatal(err)
		}
		data, err := f.Store.Get(t.Context(), h, 0)
		if !errors.Is(err, blob.ErrCorrupt) || !strings.Contains(err.Error(), h.String()) || data != nil {
			t.Errorf("get of a %s blob: %d bytes, %v", c.name, len(data), err)
		}
		if err := f.Store.Delete(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
}

func putHeals(t *testing.T, f Fixture) {
	data := sample(8, 3000)
	h := put(t, f.Store, data)
	if err := f.Damage(h, func(b []byte) []byte { b[7]++; return b }); err != nil {
		t.Fatal(err)
	}
	put(t, f.Store, data)
	if got, err := f.Store.Get(t.Context(), h, 0); err != nil || !bytes.Equal(got, data) {
		t.Errorf("get after storing a damaged blob again: %v", err)
	}
}

func cancelled(t *testing.T, f Fixture) {
	h := put(t, f.Store, sample(9, 10))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Store.Put(ctx, sample(10, 10)); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	if _, err := f.Store.Get(ctx, h, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("get: %v", err)
	}
	for _, err := range f.Store.List(ctx) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("list: %v", err)
		}
	}
}

func concurrent(t *testing.T, f Fixture) {
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 10 {
				data := sample(uint64((worker+i)%12), 2000) // objects overlap between workers
				h, err := f.Store.Put(t.Context(), data)
				if err != nil {
					t.Errorf("put: %v", err)
					return
				}
				if got, err := f.Store.Get(t.Context(), h, 0); err != nil || !bytes.Equal(got, data) {
					t.Errorf("get: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}
