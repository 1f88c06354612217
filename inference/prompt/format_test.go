package prompt

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo/internal/canon"
)

var update = flag.Bool("update", false, "write the golden file anew")

const goldenFile = "testdata/vectors.txt"

// plainRequest is a request of the first release, as it was encoded then.
type plainRequest struct {
	Session     uint64    `pb:"1"`
	Counter     uint64    `pb:"2"`
	Messages    []Message `pb:"3"`
	Prompt      string    `pb:"4"`
	MaxTokens   uint32    `pb:"5"`
	Temperature uint32    `pb:"6"`
	TopP        uint32    `pb:"7"`
	Seed        uint64    `pb:"8"`
	Stop        []string  `pb:"9"`
	Signature   []byte    `pb:"10"`
}

// A request that uses nothing newer has the bytes, and so the signature, that it
// had before there was anything newer.
func TestOldRequestsKeepTheirBytes(t *testing.T) {
	old := plainRequest{
		Session: 3, Counter: 9, Messages: []Message{{"user", "x"}}, MaxTokens: 5, Temperature: Million, TopP: 7,
		Seed: 1 << 63, Stop: []string{".", "END"}, Signature: []byte{1, 2},
	}
	now := Request{
		Session: 3, Counter: 9, Messages: []Message{{"user", "x"}}, MaxTokens: 5, Temperature: Million, TopP: 7,
		Seed: 1 << 63, Stop: []string{".", "END"}, Signature: []byte{1, 2},
	}
	if a, b := canon.Encode(old), canon.Encode(now); !bytes.Equal(a, b) {
		t.Errorf("was %x, is %x", a, b)
	}
}

func vectors() (names []string, values []any) {
	add := func(name string, v any) { names, values = append(names, name), append(values, v) }
	add("request chat", Request{Session: 3, Counter: 9, Messages: []Message{{"user", "x"}}, MaxTokens: 5, Temperature: Million, Stop: []string{"."}})
	add("request tokens", Request{
		Session: 1, Counter: 2, Tokens: []uint32{0, 300, 65_535}, TopP: 900_000, TopK: 40, MinP: 50_000, RepetitionPenalty: 1_100_000,
		Logprobs: true, Alternatives: 2, Echo: true, PromptOnly: true, Seed: 7, Signature: []byte{9},
	})
	add("event text", Event{Text: []byte("the "), Tokens: []uint32{1, 2}})
	add("event echo", Event{Text: []byte("ab"), Tokens: []uint32{0, 300}, Kind: TokensOfPrompt,
		Scores: []Score{{None: true}, {Loss: 1_500_000, Top: []Alternative{{301, 20_000}, {300, 1_500_000}}}}})
	add("event end token", Event{Tokens: []uint32{4}, Kind: TokenOfEnd, Scores: []Score{{Loss: 0}}})
	add("event final", Event{Final: true, Finish: FinishStop, Input: 4, Output: 3})
	return names, values
}

// The golden file holds the wire format: another implementation must give these
// bytes.
func TestGoldenVectors(t *testing.T) {
	var got bytes.Buffer
	names, values := vectors()
	for i, v := range values {
		fmt.Fprintf(&got, "%s %s\n", names[i], hex.EncodeToString(canon.Encode(v)))
	}
	if *update {
		if err := os.WriteFile(goldenFile, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("the format has changed: %s", d)
	}
	for i, v := range values {
		switch v := v.(type) {
		case Request:
			var back Request
			if err := canon.Decode(canon.Encode(v), &back); err != nil || cmp.Diff(v, back) != "" {
				t.Errorf("%s: %v %s", names[i], err, cmp.Diff(v, back))
			}
		case Event:
			var back Event
			if err := canon.Decode(canon.Encode(v), &back); err != nil || cmp.Diff(v, back) != "" || back.check() != nil {
				t.Errorf("%s: %v %v %s", names[i], err, back.check(), cmp.Diff(v, back))
			}
		}
	}
}

func TestEventsAreChecked(t *testing.T) {
	for name, e := range map[string]Event{
		"kind":              {Kind: 3, Tokens: []uint32{1}},
		"score missing":     {Tokens: []uint32{1, 2}, Scores: []Score{{}}},
		"score of nothing":  {Scores: []Score{{}}},
		"tokens at the end": {Final: true, Tokens: []uint32{1}},
		"loss":              {Tokens: []uint32{1}, Scores: []Score{{Loss: MaxLoss + 1}}},
		"alternatives":      {Tokens: []uint32{1}, Scores: []Score{{Top: make([]Alternative, MaxAlternatives+1)}}},
		"alternative loss":  {Tokens: []uint32{1}, Scores: []Score{{Top: []Alternative{{1, MaxLoss + 1}}}}},
	} {
		_, s, o := exchange(t)
		chunk, err := s.Seal(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Open(chunk); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLossOf(t *testing.T) {
	for logprob, want := range map[float64]uint64{
		0: 0, -1: Million, -0.000_000_4: 0, -0.000_000_6: 1, 0.000_1: 0, math.Inf(-1): MaxLoss, -1e9: MaxLoss,
		-2.345_678_9: 2_345_679,
	} {
		if got := LossOf(logprob); got != want {
			t.Errorf("log probability %v is loss %d, want %d", logprob, got, want)
		}
	}
}

// FuzzDecode reads a request and an event as a stranger may send them.
func FuzzDecode(f *testing.F) {
	_, values := vectors()
	for _, v := range values {
		f.Add(canon.Encode(v))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r Request
		if canon.Decode(raw, &r) == nil && r.Check() == nil && (len(r.Tokens) > MaxTokens || len(r.Messages) > MaxMessages) {
			t.Errorf("accepted beyond the bounds: %x", raw)
		}
		var e Event
		if canon.Decode(raw, &e) == nil && e.check() == nil && len(e.Scores) > 0 && len(e.Scores) != len(e.Tokens) {
			t.Errorf("accepted scores of other tokens: %x", raw)
		}
	})
}
