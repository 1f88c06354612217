package prompt

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
)

var binding = Binding{Chain: "crescendo-dev-x", Rung: 1, Vault: crescendo.Hash{5}}

func vaultKey(t testing.TB) hpke.PrivateKey {
	t.Helper()
	k, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func request(t testing.TB) (Request, ed25519.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := Request{Session: 3, Counter: 1, Messages: []Message{{"user", "tell of the sea"}}, MaxTokens: 5, Temperature: Million, Stop: []string{"."}}
	r.Sign(binding, private)
	return r, public
}

func exchange(t testing.TB) (data []byte, sealer *Sealer, opener *Opener) {
	t.Helper()
	vault := vaultKey(t)
	r, _ := request(t)
	data, opener, err := Seal(binding, vault.PublicKey().Bytes(), r)
	if err != nil {
		t.Fatal(err)
	}
	_, sealer, err = Receive(vault, binding, data)
	if err != nil {
		t.Fatal(err)
	}
	return data, sealer, opener
}

func TestRequestArrives(t *testing.T) {
	vault := vaultKey(t)
	want, public := request(t)
	data, _, err := Seal(binding, vault.PublicKey().Bytes(), want)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte("sea")) {
		t.Error("prompt in the clear")
	}
	if to, err := Address(data); err != nil || to != binding {
		t.Error(to, err)
	}
	got, _, err := Receive(vault, binding, data)
	if err != nil || cmp.Diff(want, got) != "" {
		t.Fatal(err, cmp.Diff(want, got))
	}
	if !got.SignedBy(binding, public) {
		t.Error("signature lost")
	}
	for name, change := range map[string]func(*Request){
		"prompt": func(r *Request) { r.Messages[0].Content += "!" }, "counter": func(r *Request) { r.Counter++ },
		"session": func(r *Request) { r.Session++ }, "limit": func(r *Request) { r.MaxTokens = 0 },
	} {
		r := want
		r.Messages = append([]Message(nil), want.Messages...)
		change(&r)
		if r.SignedBy(binding, public) {
			t.Errorf("%s may be changed", name)
		}
	}
	elsewhere := binding
	elsewhere.Rung = 2
	if want.SignedBy(elsewhere, public) {
		t.Error("signature holds for another rung")
	}
}

func TestEnvelopeOpensOnlyWhereItBelongs(t *testing.T) {
	vault := vaultKey(t)
	r, _ := request(t)
	data, _, err := Seal(binding, vault.PublicKey().Bytes(), r)
	if err != nil {
		t.Fatal(err)
	}
	other := binding
	other.Vault = crescendo.Hash{6}
	if _, _, err := Receive(vault, other, data); !errors.Is(err, ErrSealed) {
		t.Errorf("another vault: %v", err)
	}
	if _, _, err := Receive(vaultKey(t), binding, data); !errors.Is(err, ErrSealed) {
		t.Errorf("another key: %v", err)
	}
	for i := range data {
		changed := bytes.Clone(data)
		changed[i] ^= 4
		if _, _, err := Receive(vault, binding, changed); err == nil {
			t.Fatalf("byte %d may be changed", i)
		}
	}
	for _, plain := range []string{"", "{}", `{"model":"x","messages":[]}`, magic} {
		if _, err := Address([]byte(plain)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", plain, err)
		}
	}
}

func answer(t testing.TB, s *Sealer, events ...Event) [][]byte {
	t.Helper()
	var out [][]byte
	for _, e := range events {
		c, err := s.Seal(e)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

var story = []Event{{Text: []byte("the "), Tokens: []uint32{1, 2}}, {Text: []byte("sea"), Tokens: []uint32{3}},
	{Final: true, Finish: FinishStop, Input: 4, Output: 3}}

func framed(t testing.TB, chunks ...[]byte) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	for _, c := range chunks {
		if err := WriteChunk(&b, c); err != nil {
			t.Fatal(err)
		}
	}
	return &b
}

func TestAnswerArrives(t *testing.T) {
	_, s, o := exchange(t)
	var text strings.Builder
	var last Event
	err := o.Read(framed(t, answer(t, s, story...)...), func(e Event) error {
		text.Write(e.Text)
		last = e
		return nil
	})
	if err != nil || text.String() != "the sea" || last.Output != 3 || !o.Done() {
		t.Error(text.String(), last, err)
	}
	if _, err := s.Seal(Event{}); err == nil {
		t.Error("sealed after the end")
	}
}

// Whoever carries an answer can stop it, but not make it look complete.
func TestAnswerCannotBeTamperedWith(t *testing.T) {
	ignore := func(Event) error { return nil }
	for name, tamper := range map[string]func(c [][]byte) [][]byte{
		"cut before the end":   func(c [][]byte) [][]byte { return c[:2] },
		"nothing":              func(c [][]byte) [][]byte { return nil },
		"event left out":       func(c [][]byte) [][]byte { return [][]byte{c[0], c[2]} },
		"events swapped":       func(c [][]byte) [][]byte { return [][]byte{c[1], c[0], c[2]} },
		"event repeated":       func(c [][]byte) [][]byte { return [][]byte{c[0], c[0], c[1], c[2]} },
		"event altered":        func(c [][]byte) [][]byte { c[1][3] ^= 1; return c },
		"end moved to the top": func(c [][]byte) [][]byte { return [][]byte{c[2]} },
	} {
		_, s, o := exchange(t)
		err := o.Read(framed(t, tamper(answer(t, s, story...))...), ignore)
		if !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, s, o := exchange(t)
	whole := framed(t, answer(t, s, story...)...).Bytes()
	for n := range len(whole) {
		_, _, fresh := exchange(t)
		*fresh = *o
		if err := fresh.Read(bytes.NewReader(whole[:n]), ignore); !errors.Is(err, ErrTruncated) {
			t.Fatalf("cut after %d of %d bytes: %v", n, len(whole), err)
		}
	}
}

// Equal buckets hide how long a text is.
func TestSizesAreRounded(t *testing.T) {
	_, s, _ := exchange(t)
	sizes := map[int]bool{}
	for n := range 60 {
		sizes[len(answer(t, s, Event{Text: bytes.Repeat([]byte("a"), n+1), Tokens: []uint32{7}})[0])] = true
	}
	if len(sizes) > 2 {
		t.Errorf("60 lengths of text have %d sizes", len(sizes))
	}
}

func TestCheck(t *testing.T) {
	for name, r := range map[string]Request{
		"both":         {Messages: []Message{{"user", "x"}}, Prompt: "y"},
		"role":         {Messages: []Message{{"root", "x"}}},
		"messages":     {Messages: make([]Message, MaxMessages+1)},
		"stops":        {Stop: make([]string, MaxStops+1)},
		"empty stop":   {Stop: []string{""}},
		"temperature":  {Temperature: 2*Million + 1},
		"top_p":        {TopP: Million + 1},
		"endless stop": {Stop: []string{strings.Repeat("x", maxStop+1)}},
		"tokens":       {Tokens: make([]uint32, MaxTokens+1)},
		"tokens too":   {Tokens: []uint32{1}, Prompt: "x"},
		"min_p":        {MinP: Million + 1},
		"penalty":      {RepetitionPenalty: MaxPenalty + 1},
		"penalty of 0": {RepetitionPenalty: MinPenalty - 1},
		"top_k":        {TopK: MaxTokens + 1},
		"alternatives": {Logprobs: true, Alternatives: MaxAlternatives + 1},
		"of nothing":   {Alternatives: 1},
		"echo of chat": {Messages: []Message{{"user", "x"}}, Echo: true},
		"no answer":    {PromptOnly: true, MaxTokens: 1},
	} {
		if err := r.Check(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReceive(f *testing.F) {
	vault := vaultKey(f)
	r, _ := request(f)
	data, _, err := Seal(binding, vault.PublicKey().Bytes(), r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, _, err := Receive(vault, binding, raw); err == nil && !bytes.Equal(raw, data) {
			t.Error("opened what nobody sealed")
		}
		_, _, o := exchange(t)
		o.Read(bytes.NewReader(raw), func(Event) error { return nil })
		var e Event
		if canon.Decode(raw, &e) == nil {
			io.WriteString(io.Discard, e.Finish)
		}
	})
}
