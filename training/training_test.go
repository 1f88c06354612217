package training

import (
	"fmt"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Other programs compute these digests too: a change breaks the protocol.
func TestDigestsGolden(t *testing.T) {
	reveal := MsgReveal{Salt: crescendo.Hash{1}, Base: crescendo.Hash{2}, Payload: crescendo.Hash{3}, Size: 4,
		Start: crescendo.Hash{5}, End: crescendo.Hash{6}, Eager: 7, Tokens: 8}
	draw := Draw(crescendo.Hash{9}, 1, 2)
	for _, c := range []struct {
		name      string
		got, want string
	}{
		{"commitment", Commitment("chain", 1, 2, "cresc1ada", reveal).String(), "9a3b9933180b4529a848d58c7821b0f986fc05f0f8dadccf9208f49e93b158bd"},
		{"seed", Seed(crescendo.Hash{9}, 1, 2, 3).String(), "029e3ed3a38ec671905fd88753bc0fdd46b04595a081eac92be167dafbed738a"},
		{"draw", draw.String(), "2aac022896c17e6611e9a6e7a6784ab4bae98403fa81b716559d4066628a5f77"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.name, c.got, c.want)
		}
	}
}

// A commitment names everything that is revealed, and who revealed it where.
func TestCommitmentBinds(t *testing.T) {
	r := MsgReveal{Sender: "a", Rung: 1, Round: 1, Salt: crescendo.Hash{1}, Base: crescendo.Hash{2}, Payload: crescendo.Hash{3}, Size: 1, End: crescendo.Hash{4}, Tokens: 1}
	whole := Commitment("chain", 1, 1, "a", r)
	for name, change := range map[string]func(*MsgReveal){
		"salt": func(r *MsgReveal) { r.Salt[0]++ }, "base": func(r *MsgReveal) { r.Base[0]++ }, "payload": func(r *MsgReveal) { r.Payload[0]++ },
		"size": func(r *MsgReveal) { r.Size++ }, "start": func(r *MsgReveal) { r.Start[0]++ }, "end": func(r *MsgReveal) { r.End[0]++ },
		"eager": func(r *MsgReveal) { r.Eager++ }, "tokens": func(r *MsgReveal) { r.Tokens++ },
	} {
		other := r
		change(&other)
		if Commitment("chain", 1, 1, "a", other) == whole {
			t.Errorf("%s is not bound", name)
		}
	}
	if Commitment("other", 1, 1, "a", r) == whole || Commitment("chain", 2, 1, "a", r) == whole ||
		Commitment("chain", 1, 2, "a", r) == whole || Commitment("chain", 1, 1, "b", r) == whole {
		t.Error("chain, rung, round or trainer is not bound")
	}
}

func TestAuditRate(t *testing.T) {
	for _, perMille := range []uint32{0, 100, 500, 1000} {
		drawn := 0
		for i := range 2000 {
			if Audited(Draw(crescendo.Hash{byte(i), byte(i >> 8)}, 1, 1), "ada", perMille) {
				drawn++
			}
		}
		if want := 2 * int(perMille); drawn < want-100 || drawn > want+100 {
			t.Errorf("at %d per mille %d of 2000 windows are drawn", perMille, drawn)
		}
	}
}

func TestQuorum(t *testing.T) {
	for n, want := range []uint32{0, 1, 2, 2, 3, 4, 4, 5, 6, 6} {
		if got := Quorum(uint32(n)); got != want || 3*got < 2*uint32(n) {
			t.Errorf("two thirds of %d are %d, want %d", n, got, want)
		}
	}
}

func TestGain(t *testing.T) {
	for _, c := range []struct {
		before, after crescendo.MicroNats
		targets       uint64
		want          int64
	}{
		{2000, 1000, 100, 10}, {1000, 2000, 100, -10}, {1099, 1000, 100, 0}, {1000, 1099, 100, 0},
		{1 << 53, 0, 1, maxGain}, {0, 1 << 53, 1, -maxGain}, {5, 1, 0, 0}, {5, 1, 1<<64 - 1, 0},
	} {
		if got := Gain(c.before, c.after, c.targets); got != c.want {
			t.Errorf("gain %d -> %d over %d: %d, want %d", c.before, c.after, c.targets, got, c.want)
		}
	}
}

func TestWindowKey(t *testing.T) {
	full := Windows.Key(uint32(3), "ada", uint32(7))
	trainer, round, ok := WindowKey(full[len(Windows.Key(uint32(3))):])
	if trainer != "ada" || round != 7 || !ok {
		t.Error(trainer, round, ok)
	}
	for _, bad := range [][]byte{nil, {0}, []byte("ada"), []byte("ada\x00\x00\x00\x00"), []byte("ada\x00\x00\x00\x00\x01\x02")} {
		if _, _, ok := WindowKey(bad); ok {
			t.Errorf("%q is taken for a window's key", bad)
		}
	}
}

var terms = Terms{Rung: 1, Rounds: 100, MinTrainers: 1, Seats: 4, Eager: 3, Tokens: 64, MaxPayload: 1000, Bond: 10, CommitBlocks: 5, RevealBlocks: 5, VoteBlocks: 5}

// opened returns a store in which ada, bob and cyd work in round 1.
func opened(t *testing.T) (crescendo.Env, *kv.Memory) {
	t.Helper()
	env, s := crescendo.Env{ChainID: "chain", Height: 10}, kv.NewMemory()
	for _, who := range []crescendo.Account{"ada", "bob", "cyd"} {
		if _, err := Join(env, s, terms, &MsgJoin{Sender: who, Rung: 1}); err != nil {
			t.Fatal(err)
		}
	}
	start := &MsgStart{Corpus: crescendo.Hash{1}, Root: crescendo.Hash{2}, Base: crescendo.Hash{3}, Error: crescendo.Hash{4}}
	if _, err := Start(env, s, terms, start, 300, 100); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := Open(env, s, terms, 1); !ok || err != nil {
		t.Fatal(ok, err)
	}
	return env, s
}

func TestRevealRefuses(t *testing.T) {
	good := MsgReveal{Sender: "ada", Rung: 1, Round: 1, Base: crescendo.Hash{3}, Payload: crescendo.Hash{5}, Size: 1000, End: crescendo.Hash{6}, Tokens: 64}
	for _, c := range []struct {
		name   string
		change func(*MsgReveal)
		text   string
	}{
		{"nothing", func(r *MsgReveal) {}, ""},
		{"stale base", func(r *MsgReveal) { r.Base[0]++ }, "reveal in rung 1 round 1: work on base 04000000, the round's base is 03000000"},
		{"large payload", func(r *MsgReveal) { r.Size++ }, "reveal in rung 1 round 1: payload of 1001 bytes, at most 1000"},
		{"too eager", func(r *MsgReveal) { r.Eager = 4; r.Start[0] = 1 }, "reveal in rung 1 round 1: 4 eager steps, at most 3"},
		{"less work", func(r *MsgReveal) { r.Tokens = 16 }, "reveal in rung 1 round 1: 16 tokens, a round has 64"},
		{"foreign state", func(r *MsgReveal) { r.Start[0] = 1 }, "reveal in rung 1 round 1: start state 01000000 is not the end of the last revealed round"},
	} {
		env, s := opened(t)
		r := good
		c.change(&r)
		for _, who := range []crescendo.Account{"ada", "bob", "cyd"} {
			m := &MsgCommit{Sender: who, Rung: 1, Round: 1, Attempt: 1, Commitment: Commitment("chain", 1, 1, who, r)}
			if _, err := Commit(env, s, terms, m); err != nil {
				t.Fatal(err)
			}
		}
		if _, moved, err := Advance(env, s, terms); !moved || err != nil {
			t.Fatal(moved, err)
		}
		_, err := Reveal(env, s, terms, &r)
		if got := fmt.Sprint(err); (c.text == "") != (err == nil) || (err != nil && got != c.text) {
			t.Errorf("%s: %v, want %q", c.name, err, c.text)
		}
	}
}

// A member that misses rounds loses its seat, keeps its bond, may come back,
// but not for ever: the others wait for it each time.
func TestAbsentMemberLosesItsSeat(t *testing.T) {
	env, s := opened(t)
	run, _ := Runs.Get(s, uint32(1))
	for drop := range MaxDropped {
		for range MaxMissed {
			m, _ := Members.Get(s, uint32(1), "cyd")
			if m.Left {
				t.Fatalf("dropped after %d missed rounds", m.Missed)
			}
			var out crescendo.Outcome
			if err := markMissed(s, terms, &run, &out); err != nil {
				t.Fatal(err)
			}
		}
		m, _ := Members.Get(s, uint32(1), "cyd")
		if !m.Left || m.Bond != 10 || m.Fault != "" {
			t.Fatalf("after %d missed rounds: %+v", MaxMissed, m)
		}
		run.Seated = 0
		if err := Runs.Set(s, run, uint32(1)); err != nil {
			t.Fatal(err)
		}
		out, err := Join(env, s, terms, &MsgJoin{Sender: "cyd", Rung: 1})
		if last := drop == MaxDropped-1; last != (crescendo.CodeOf(err) == crescendo.CodeForbidden) {
			t.Fatalf("join after %d drops: %v", drop+1, err)
		}
		if len(out.Transfers) > 0 {
			t.Error("a second bond was taken")
		}
		run, _ = Runs.Get(s, uint32(1))
		run.Round++
	}
}

func TestPhaseNames(t *testing.T) {
	if Waiting.String() != "waiting" || Finished.String() != "finished" || Phase(99).String() != "phase 99" {
		t.Error(Waiting, Finished, Phase(99))
	}
}
