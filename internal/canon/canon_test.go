package canon

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type leaf struct {
	Name string   `pb:"1"`
	Hash [4]byte  `pb:"2"`
	Nums []uint32 `pb:"3"`
}

type tree struct {
	Amount uint64    `pb:"1"`
	Loss   int64     `pb:"2"`
	Ok     bool      `pb:"3"`
	Raw    []byte    `pb:"4"`
	Leaves []leaf    `pb:"5"`
	Names  []string  `pb:"6"`
	One    leaf      `pb:"7"`
	Roots  [][4]byte `pb:"8"`
}

func TestRoundTrip(t *testing.T) {
	want := tree{
		Amount: 1 << 63, Loss: -3, Ok: true, Raw: []byte{0, 1},
		Leaves: []leaf{{Name: "a", Hash: [4]byte{1}}, {}, {Nums: []uint32{0, 7, 1 << 31}}},
		Names:  []string{"", "é"}, One: leaf{Name: "one"}, Roots: [][4]byte{{}, {9}},
	}
	var got tree
	if err := Decode(Encode(want), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDecodeRefusesWhatIsNotCanonical(t *testing.T) {
	for name, raw := range map[string][]byte{
		"unknown field":  {0x78, 1},
		"explicit zero":  {0x08, 0},
		"padded varint":  {0x08, 0x81, 0x00},
		"wrong order":    {0x10, 1, 0x08, 1},
		"twice":          {0x08, 1, 0x08, 1},
		"truncated":      {0x22, 5, 1},
		"short array":    {0x2a, 4, 0x12, 2, 1, 2},
		"group":          {0x0b},
		"bad utf-8":      {0x32, 1, 0xff},
		"bool above one": {0x18, 2},
	} {
		var v tree
		if err := Decode(raw, &v); !errors.Is(err, ErrNotCanonical) {
			t.Errorf("%s: %v, want ErrNotCanonical", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode(tree{Amount: 3, Leaves: []leaf{{Name: "x"}}}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var v tree
		if Decode(raw, &v) == nil && !bytes.Equal(Encode(v), raw) {
			t.Errorf("two encodings of one value: %x and %x", raw, Encode(v))
		}
	})
}
