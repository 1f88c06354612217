package evaluation

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Other programs compute these digests too: a change breaks the protocol.
func TestDigestsGolden(t *testing.T) {
	v := Vote{Before: 1, Targets: 2, Scores: []Score{{Trainer: "ada", After: 3, Include: true}, {Trainer: "bob", Fault: "late"}},
		Update: crescendo.Hash{4}, Checkpoint: crescendo.Hash{5}, Error: crescendo.Hash{6}}
	if got, want := VoteDigest(v).String(), "d3973d73c265eed975f123709b55a7c60c5f7c122f96ae22f521ebe3c18b8de8"; got != want {
		t.Errorf("vote: %s, want %s", got, want)
	}
	if got, want := VoteCommitment("chain", 1, 2, "cresc1val", crescendo.Hash{7}, v).String(), "f933fa0e055a6925c42b0d9bcdd8e0971e2028dfcb48be2b0acb1a8806395b93"; got != want {
		t.Errorf("commitment: %s, want %s", got, want)
	}
	panel := []crescendo.Account{"a", "b", "c"}
	if got := Designated(crescendo.Hash{8}, "ada", panel); got != "c" {
		t.Errorf("designated: %s", got)
	}
}

func TestDesignationIsEven(t *testing.T) {
	panel, got := []crescendo.Account{"a", "b", "c"}, map[crescendo.Account]int{}
	for i := range 3000 {
		got[Designated(crescendo.Hash{byte(i), byte(i >> 8)}, "ada", panel)]++
	}
	for _, p := range panel {
		if got[p] < 900 || got[p] > 1100 {
			t.Errorf("%s replays %d of 3000 windows", p, got[p])
		}
	}
}

func TestMarkIncluded(t *testing.T) {
	for _, c := range []struct {
		name   string
		scores []Score
		want   []bool
	}{
		{"those that help", []Score{{After: 9}, {After: 10}, {After: 11}}, []bool{true, false, false}},
		{"all sound ones if none helps", []Score{{After: 10}, {After: 12}, {Fault: "x"}}, []bool{true, true, false}},
		{"a refused payload has no loss", []Score{{Fault: "x"}, {After: 9}}, []bool{false, true}},
		{"none if none is sound", []Score{{Fault: "x"}}, []bool{false}},
		{"flags set before do not matter", []Score{{After: 11, Include: true}, {After: 9}}, []bool{false, true}},
	} {
		v := Vote{Before: 10, Scores: c.scores}
		MarkIncluded(&v)
		var got []bool
		for _, s := range v.Scores {
			got = append(got, s.Include)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestVoteCheckRefuses(t *testing.T) {
	good := func() *MsgRevealVote {
		return &MsgRevealVote{Rung: 1, Round: 1, Vote: Vote{Before: 1, Targets: 1, Scores: []Score{{Trainer: "a"}, {Trainer: "b"}},
			Update: crescendo.Hash{1}, Checkpoint: crescendo.Hash{1}, Error: crescendo.Hash{1}}}
	}
	if err := good().Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Vote){
		"no targets": func(v *Vote) { v.Targets = 0 }, "too many targets": func(v *Vote) { v.Targets = 1 << 63 },
		"negative loss": func(v *Vote) { v.Before = -1 }, "huge loss": func(v *Vote) { v.Scores[0].After = 1 << 60 },
		"no scores": func(v *Vote) { v.Scores = nil }, "unsorted": func(v *Vote) { v.Scores[0].Trainer = "c" }, "twice": func(v *Vote) { v.Scores[0].Trainer = "b" },
		"no update": func(v *Vote) { v.Update = crescendo.Hash{} }, "fault with a loss": func(v *Vote) { v.Scores[0] = Score{Trainer: "a", Fault: "x", After: 1} },
		"long fault": func(v *Vote) { v.Scores[0].Fault = string(make([]byte, 65)) }, "too many": func(v *Vote) { v.Scores = make([]Score, 257) },
	} {
		m := good()
		change(&m.Vote)
		if crescendo.CodeOf(m.Check()) != crescendo.CodeInvalid {
			t.Errorf("%s is accepted: %v", name, m.Check())
		}
	}
}

func TestRank(t *testing.T) {
	steady := func(who crescendo.Account, gain int64, n uint32) Record {
		return Record{Trainer: who, Gain: gain * int64(n), GainSquare: uint64(gain * gain * int64(n)), Scored: n, Rounds: n, Tokens: 10}
	}
	erratic := Record{Trainer: "erratic", Gain: 4000, GainSquare: 4 * 3000 * 3000, Scored: 4, Rounds: 4, Tokens: 10}
	more := steady("more", 100, 4)
	more.Tokens = 20
	cheat := steady("cheat", 900, 4)
	cheat.Fault = "replay mismatch in round 1"
	gone := steady("gone", 800, 4)
	gone.Left = true
	got := Rank([]Record{steady("ann", 100, 4), erratic, steady("best", 200, 4), cheat, gone, steady("late", 500, 1), more, steady("no", 0, 4), {Trainer: "zero"}}, 4, 2)
	var lines []string
	for _, s := range got {
		lines = append(lines, string(s.Trainer)+": "+s.Reason)
	}
	want := []string{"best: ", "more: ", "ann: below the last place kept", "erratic: below the last place kept",
		"cheat: expelled: replay mismatch in round 1", "gone: left", "no: no gain", "late: counted in less than half of the rounds", "zero: counted in less than half of the rounds"}
	if d := cmp.Diff(want, lines); d != "" {
		t.Error(d)
	}
	if s := got[0]; !s.Kept || s.Mean != 200 || s.Lower != 200 || s.Upper != 200 {
		t.Errorf("%+v", s)
	}
	// Mean 1000; sample variance (4*9e6 - 4*1e6)/3; twice the standard error
	// is sqrt(4 * 32e6/3/4) = 3265.
	if s := got[3]; s.Mean != 1000 || s.Upper-s.Mean != 3265 || s.Mean-s.Lower != 3265 {
		t.Errorf("%+v", s)
	}
}

// The order of records does not matter, exactly the first are kept, and no
// sums make the arithmetic fail.
func TestRankProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "n")
		var records []Record
		for i := range n {
			r := Record{Trainer: crescendo.Account(rune('a' + i)), Tokens: rapid.Uint64Range(0, 3).Draw(t, "tokens"), Left: rapid.Bool().Draw(t, "left")}
			r.Rounds = rapid.Uint32Range(0, 10).Draw(t, "rounds")
			for range r.Rounds {
				g := rapid.Int64Range(-widest, widest).Draw(t, "gain")
				r.Gain, r.GainSquare, r.Scored = r.Gain+g, r.GainSquare+uint64(g*g), r.Scored+1
			}
			if rapid.IntRange(0, 9).Draw(t, "wild") == 0 {
				r.Gain, r.GainSquare, r.Scored = rapid.Int64().Draw(t, "g"), rapid.Uint64().Draw(t, "s"), rapid.Uint32().Draw(t, "c")
			}
			records = append(records, r)
		}
		keep := rapid.Uint32Range(1, 5).Draw(t, "keep")
		first := Rank(records, 10, keep)
		again := Rank(rapid.Permutation(records).Draw(t, "order"), 10, keep)
		if d := cmp.Diff(first, again); d != "" {
			t.Fatal(d)
		}
		kept := 0
		for i, s := range first {
			if s.Kept {
				kept++
			}
			if s.Kept != (s.Reason == "") || (s.Kept && i >= int(keep)) || s.Lower > s.Mean || s.Upper < s.Mean {
				t.Fatalf("%d: %+v", i, s)
			}
		}
	})
}

func TestRoot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Uint64().Draw(t, "v")
		r := root(v)
		if r*r > v || (r < 1<<32-1 && (r+1)*(r+1) <= v) {
			t.Fatalf("root of %d is %d", v, r)
		}
	})
}

// A dispute that nobody decides ends without a fault and without a slash.
func TestDisputeExpires(t *testing.T) {
	s, env := kv.NewMemory(), crescendo.Env{Height: 10}
	if err := Disputes.Set(s, Dispute{Height: 10, Mismatch: 1}, uint32(1), uint32(2), "ada"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		height crescendo.Height
		want   []Expired
	}{{10 + DisputeBlocks - 1, nil}, {10 + DisputeBlocks, []Expired{{Round: 2, Trainer: "ada"}}}, {10 + DisputeBlocks, nil}} {
		env.Height = c.height
		got, err := Expire(env, s, 1)
		if d := cmp.Diff(c.want, got); d != "" || err != nil {
			t.Errorf("height %d: %v %s", c.height, err, d)
		}
	}
}

// An evaluator whose bond is used up judges no more.
func TestElectorate(t *testing.T) {
	s := kv.NewMemory()
	for i, who := range []crescendo.Account{"val", "wes", "xia", "ada"} {
		if err := Evaluators.Set(s, Evaluator{Bond: 10, Index: uint32(3 - i)}, string(who)); err != nil {
			t.Fatal(err)
		}
	}
	none := func(a crescendo.Account) (bool, error) { return a == "ada", nil }
	expect := func(least int, want ...crescendo.Account) {
		t.Helper()
		got, err := Electorate(s, least, none)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Error(err, d)
		}
	}
	expect(1, "xia", "wes", "val")
	var out crescendo.Outcome
	for range 10 {
		if err := slash(s, 1, 1, "wes", "test", &out); err != nil {
			t.Fatal(err)
		}
	}
	expect(1, "xia", "val")
	if err := Evaluators.Set(s, Evaluator{Bond: 10, Suspended: true}, "val"); err != nil {
		t.Fatal(err)
	}
	expect(1, "xia")
	expect(2, "val", "xia")
	var burned crescendo.Amount
	for _, tr := range out.Transfers {
		burned += tr.Amount
	}
	if burned != 10 {
		t.Errorf("burned %d of a bond of 10", burned)
	}
}
