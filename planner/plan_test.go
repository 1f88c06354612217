package planner

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files")

func announced(t testing.TB) program.Spec {
	t.Helper()
	spec, _, err := programfile.Load("../programs/announced.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func plan(t testing.TB, spec program.Spec, overrides map[string]string) Ladder {
	t.Helper()
	a, err := Parse(overrides)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Plan(spec, a)
	if err != nil {
		t.Fatalf("%v: %v", overrides, err)
	}
	return l
}

// The announced ladder, as text and as data. Read the difference before
// rewriting: go test ./planner -rewrite
func TestAnnouncedLadder(t *testing.T) {
	l := plan(t, announced(t), nil)
	data, err := json.MarshalIndent(l, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	var text, inputs bytes.Buffer
	Write(&text, l)
	WriteAssumptions(&inputs, l.Assumptions)
	for name, got := range map[string][]byte{"announced.json": append(data, '\n'), "announced.txt": text.Bytes(), "assumptions.txt": inputs.Bytes()} {
		path := filepath.Join("testdata", name)
		if *rewrite {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	for line := range strings.Lines(text.String()) {
		if n := utf8.RuneCountInString(strings.TrimSpace(line)); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// What can be reckoned on paper: DeepSeek-V3 and Llama 3 405B from their
// reports, with the share of peak that the reports imply.
func TestPublishedRuns(t *testing.T) {
	llama := work{rung: program.Rung{}, assumed: Defaults(), gpu: "h100", mfu: 0.40, active: 405e9, tokens: 15.6e12}
	if got := llama.flops(); got < 3.7e25 || got > 3.9e25 {
		t.Errorf("Llama 3 405B: %.3g operations, published 3.8e25", got)
	}
	hours := llama.price(llama.flops()) / llama.assumed.of("gpu-price-h100")
	if hours < 28e6 || hours > 33e6 { // published: 30.84M hours
		t.Errorf("Llama 3 405B: %.4g GPU-hours, published 30.84M", hours)
	}
	deepseek := work{assumed: Defaults(), gpu: "h100", mfu: 0.35, active: 37e9, tokens: 14.8e12}
	hours = deepseek.price(deepseek.flops()) / deepseek.assumed.of("gpu-price-h100")
	if hours < 2.6e6 || hours > 3.0e6 { // published: 2.788M with everything
		t.Errorf("DeepSeek-V3: %.4g GPU-hours, published 2.788M", hours)
	}
}

func TestProperties(t *testing.T) {
	spec := announced(t)
	base := plan(t, spec, nil)
	total := func(overrides map[string]string) float64 { return plan(t, spec, overrides).TotalDollars }
	for _, c := range []struct {
		name, value string
		sign        float64 // of the change in total dollars
	}{
		{"gpu-price-h100", "2.01", 1}, {"gpu-price-h200", "9", 0}, {"mfu", "0.41", -1}, {"goodput", "0.91", -1}, {"storage-price", "7", 1},
		{"replay-overhead", "3", 1}, {"node-link", "10000", -1}, {"site-link", "1000", 1}, {"evaluator-link", "100000", -1},
		{"evaluator-size", "64", -1}, {"latency", "9000", 1}, {"moe-active", "0.5", 0}, {"enclave-overhead", "50", 1}, {"tokens-per-parameter", "50", 0},
	} {
		if d := total(map[string]string{c.name: c.value}) - base.TotalDollars; d*c.sign < 0 || (d == 0) != (c.sign == 0) {
			t.Errorf("%s=%s changes the total by %+.2f dollars, want sign %+g", c.name, c.value, d, c.sign)
		}
	}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		overrides := map[string]string{}
		for _, a := range Defaults() {
			if len(a.Choices) == 0 && a.Name != "announced" && r.IntN(3) == 0 {
				v := a.Default * (0.5 + r.Float64())
				if a.Whole {
					v = float64(int(v))
				}
				overrides[a.Name] = fmt.Sprint(min(a.Max, max(a.Min, v)))
			}
		}
		l := plan(t, spec, overrides)
		again, err := Parse(l.Assumptions.Overrides())
		if diff := cmp.Diff(again, l.Assumptions); err != nil || diff != "" {
			t.Fatalf("seed %d: overrides do not come back: %v\n%s", seed, err, diff)
		}
		sum := 0.0
		for i, g := range l.Rungs {
			sum += g.Dollars
			if !(g.Utilisation > 0 && g.Utilisation <= 1) || g.Days <= 0 || g.Dollars <= 0 || g.RoundSeconds < g.ComputingSeconds*0.9999 || g.MoE.FLOPs > g.FLOPs {
				t.Errorf("seed %d, %v: rung %d is %+v", seed, overrides, i+1, g)
			}
			for k := 1; k < len(g.Links); k++ {
				if g.Links[k].Utilisation < g.Links[k-1].Utilisation {
					t.Errorf("seed %d, %v: rung %d: a faster link lowers utilisation: %+v", seed, overrides, i+1, g.Links)
				}
			}
		}
		if d := sum - l.TotalDollars; d > 0.05 || d < -0.05 {
			t.Errorf("seed %d: rungs sum to %.2f, total %.2f", seed, sum, l.TotalDollars)
		}
	}
}

// The tokens stay when fewer sites take part; it takes longer.
func TestContributors(t *testing.T) {
	spec := announced(t)
	all, few := plan(t, spec, nil).Rungs[5], plan(t, spec, map[string]string{"contributors": "10"}).Rungs[5]
	if few.Tokens != all.Tokens || few.Days < 3.5*all.Days || few.Rounds != 4*all.Rounds || few.Contributors != 10 {
		t.Errorf("with 40: %+v\nwith 10: %+v", all, few)
	}
}

func TestOverrides(t *testing.T) {
	for _, c := range []struct {
		name, value, text, hint string
	}{
		{"gpu", "h2000", "assumption gpu: \"h2000\" cannot be used", "one of h100, h200"},
		{"gpu-price-h10", "2", "there is none of that name", "did you mean gpu-price-h100?"},
		{"zzz", "2", "there is none of that name", "--assumptions"},
		{"mfu", "1.5", "assumption mfu: \"1.5\" cannot be used", "want 0.01 to 1"},
		{"mfu", "NaN", "cannot be used", "want"},
		{"mfu", "+Inf", "cannot be used", "want"},
		{"mfu", "", "cannot be used", "want"},
		{"contributors", "2.5", "cannot be used", "whole"},
		{"latency", "-1", "cannot be used", "0 to 10000"},
	} {
		_, err := Parse(map[string]string{c.name: c.value})
		refused, ok := err.(*crescendo.Error)
		if !ok || !strings.Contains(err.Error(), c.text) || !strings.Contains(refused.Hint, c.hint) {
			t.Errorf("%s=%q: %v, %+v", c.name, c.value, err, refused)
		}
	}
	a, err := Parse(map[string]string{"gpu": "H200", "mfu": " 0.5 "})
	if err != nil || a.of("mfu") != 0.5 || gpus[int(a.of("gpu"))].name != "h200" || len(a.Changed()) != 2 {
		t.Errorf("%v, %v", a.Changed(), err)
	}
	if _, err := Plan(announced(t), nil); err == nil {
		t.Error("a plan without assumptions was made")
	}
}

// Bounds hold whatever is asked for: a plan or a refusal, never a panic.
func FuzzPlan(f *testing.F) {
	spec := announced(f)
	f.Add("mfu", "0.01", "evaluator-link", "1")
	f.Add("contributors", "4096", "node-link", "1")
	f.Add("gpu", "rtx4090", "gpu-memory-rtx4090", "1")
	f.Fuzz(func(t *testing.T, a, x, b, y string) {
		assumed, err := Parse(map[string]string{a: x, b: y})
		if err != nil {
			return
		}
		l, err := Plan(spec, assumed)
		if err != nil {
			return
		}
		if _, err := json.Marshal(l); err != nil {
			t.Errorf("%s=%s %s=%s: %v", a, x, b, y, err)
		}
	})
}

func BenchmarkPlan(b *testing.B) {
	spec, a := announced(b), Defaults()
	for b.Loop() {
		if _, err := Plan(spec, a); err != nil {
			b.Fatal(err)
		}
	}
}
