package tokenizer

import "testing"

// Control tokens have names, and their names are text like any other.
func TestControlNames(t *testing.T) {
	tok, err := build(300, [][2]int32{{firstByte + 'a', firstByte + 'b'}})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[int32]string{
		EndOfText: "<|endoftext|>", User: "<|user|>", EndOfTurn: "<|end|>", firstByte: "", firstMerged: "",
		firstMerged + 1: "<|reserved_0|>", 299: "<|reserved_37|>", 300: "", -1: "",
	} {
		got := tok.Control(id)
		if got != want {
			t.Errorf("token %d is called %q, want %q", id, got, want)
		}
		if back, ok := tok.ControlID(want); want != "" && (!ok || back != id) {
			t.Errorf("%q is token %d, want %d", want, back, id)
		}
		if len(tok.Encode([]byte(want))) == 1 {
			t.Errorf("text %q encodes to one token", want)
		}
	}
	for _, name := range []string{"", "ab", "<|reserved_38|>", "<|reserved_-1|>"} {
		if id, ok := tok.ControlID(name); ok {
			t.Errorf("%q is taken for token %d", name, id)
		}
	}
}
