package desk

import (
	"encoding/binary"
	"testing"

	"github.com/crescendo-network/crescendo"
)

// One account can fill a part of what a hub keeps only, and a hub that is
// opened again has kept the same.
func TestEntriesOfOneAccountAreBounded(t *testing.T) {
	home := t.TempDir()
	e, err := openEntries(home)
	if err != nil {
		t.Fatal(err)
	}
	number := uint32(0)
	one := func(author crescendo.Account) *entry {
		number++
		return &entry{Author: author, Rung: 1, Commitment: crescendo.Hash(binary.BigEndian.AppendUint32(make([]byte, 28), number))}
	}
	for range maxOwnEntries {
		if err := e.keep(one("ann")); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.keep(one("ann")); crescendo.CodeOf(err) != crescendo.CodeForbidden {
		t.Errorf("one more than an account may have: %v", err)
	}
	if err := e.keep(one("ben")); err != nil {
		t.Errorf("another account: %v", err)
	}
	all := e.all()
	if err := e.forget(all[0]); err != nil {
		t.Fatal(err)
	}
	if err := e.keep(one("ann")); err != nil {
		t.Errorf("in place of one that was forgotten: %v", err)
	}
	again, err := openEntries(home)
	if err != nil {
		t.Fatal(err)
	}
	if have, want := len(again.all()), maxOwnEntries+1; have != want || len(e.all()) != want {
		t.Errorf("%d entries kept and %d found again, want %d", len(e.all()), have, want)
	}
}
