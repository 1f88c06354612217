package kv

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// An overlay must be indistinguishable from writing to the store itself.
func TestOverlayBehavesAsStore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, plain := NewMemory(), NewMemory()
		key := rapid.Map(rapid.IntRange(0, 9), func(i int) []byte { return []byte(fmt.Sprint("k", i)) })
		for range rapid.IntRange(0, 8).Draw(t, "base") {
			k := key.Draw(t, "key")
			base.Set(k, k)
			plain.Set(k, k)
		}
		o := NewOverlay(base)
		for i := range rapid.IntRange(0, 12).Draw(t, "writes") {
			k := key.Draw(t, "key")
			if rapid.Bool().Draw(t, "delete") {
				o.Delete(k)
				plain.Delete(k)
			} else {
				o.Set(k, []byte{byte(i)})
				plain.Set(k, []byte{byte(i)})
			}
		}
		start, limit := key.Draw(t, "start"), rapid.IntRange(0, 12).Draw(t, "limit")
		want, _ := plain.Range([]byte("k"), start, limit)
		got, err := o.Range([]byte("k"), start, limit)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Fatal(err, d)
		}
		if err := o.Commit(base); err != nil {
			t.Fatal(err)
		}
		all, _ := base.Range(nil, nil, 100)
		if d := cmp.Diff(mustRange(plain), all); d != "" {
			t.Fatal(d)
		}
	})
}

func mustRange(m *Memory) []Pair { p, _ := m.Range(nil, nil, 100); return p }

func TestMap(t *testing.T) {
	type pos struct {
		Shares uint64 `pb:"1"`
	}
	m := Map[pos]{"test/position"}
	s := NewMemory()
	for i := range uint32(3) {
		if err := m.Set(s, pos{uint64(i)}, uint32(1), fmt.Sprint("acc", i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Get(s, uint32(2), "acc0"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	got, err := m.List(s, []byte("acc1"), 10, uint32(1))
	if err != nil || len(got) != 2 || got[0].Value.Shares != 1 || string(got[1].Rest) != "acc2\x00" {
		t.Error(got, err)
	}
}

// Collections longer than a page are visited whole, once and in order, and
// those beside them are not.
func TestEach(t *testing.T) {
	m := Map[struct {
		N uint32 `pb:"1"`
	}]{"test/number"}
	s := NewMemory()
	for _, n := range []uint32{MaxPage, 2*MaxPage + 7} {
		for i := range n {
			v, _ := m.Get(s)
			v.N = i
			if err := m.Set(s, v, n, i); err != nil {
				t.Fatal(err)
			}
		}
		all, err := m.All(s, n)
		if err != nil || uint32(len(all)) != n {
			t.Fatalf("%d of %d, %v", len(all), n, err)
		}
		for i, e := range all {
			if e.Value.N != uint32(i) {
				t.Fatalf("entry %d has number %d", i, e.Value.N)
			}
		}
	}
	stop := errors.New("enough")
	visited := 0
	err := m.Each(s, func(Entry[struct {
		N uint32 `pb:"1"`
	}]) error {
		visited++
		return stop
	}, uint32(MaxPage))
	if !errors.Is(err, stop) || visited != 1 {
		t.Errorf("visited %d, %v", visited, err)
	}
	if all, err := m.All(s, uint32(5)); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}
