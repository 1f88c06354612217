package corpus

import (
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/blob"
	"github.com/google/go-cmp/cmp"
)

func TestOverlapping(t *testing.T) {
	store := blob.NewMemory()
	pack, err := Build(t.Context(), Directory(write(t, stories(30))), Options{Store: store, Vocab: 320, Context: 16, HeldOutPerMille: 200}, nil)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := Open(t.Context(), store, pack.Hash)
	if err != nil {
		t.Fatal(err)
	}
	read := func(s Split) string {
		text, err := reader.Text(t.Context(), s, 0)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	train, heldOut := read(Train), read(HeldOut)
	fresh := strings.Repeat("nobody has written this before; ", 4)
	cases := []struct {
		name, text string
		want       bool
	}{
		{"new", fresh, false},
		{"a run of the training text", fresh + train[100:100+OverlapBytes] + fresh, true},
		{"one byte less", fresh + "\x01" + train[100:100+OverlapBytes-1] + "\x01" + fresh, false},
		{"held-out text", heldOut[:OverlapBytes], true},
		{"the end of a document", train[len(train)-OverlapBytes:], true},
		{"over the end of a document", train[len(train)-OverlapBytes+1:] + "\x01", false},
		{"short", train[:OverlapBytes-1], false},
		{"empty", "", false},
	}
	var texts []string
	var want []bool
	for _, c := range cases {
		texts, want = append(texts, c.text), append(want, c.want)
	}
	got, err := reader.Overlapping(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		if got[i] != c.want {
			t.Errorf("%s: overlaps %v, want %v", c.name, got[i], c.want)
		}
	}
	if none, err := reader.Overlapping(t.Context(), nil); err != nil || len(none) != 0 {
		t.Errorf("no texts: %v, error %v", none, err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
