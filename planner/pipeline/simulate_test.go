package pipeline

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// What can be computed by hand.
func TestByHand(t *testing.T) {
	m := Model{Layers: 10, Parameters: 1e9, Step: 3 * time.Second}
	for _, c := range []struct {
		name string
		how  Method
		link Link
		want time.Duration // of one round
	}{
		// 100 steps, then 1e9 bits at 1e9 bit/s. Of that second, the layers' backward
		// passes after the top one hide 1.8 s: only the bottom layer's 0.1 s is left.
		{"the backward pass hides", Method{Every: 100, Bits: 1}, Symmetric(1e9), 300*time.Second + 100*time.Millisecond},
		// 16 times as much: 16 s less the 1.8 s.
		{"a longer exchange", Method{Every: 100, Bits: 16}, Symmetric(1e9), 300*time.Second + 14200*time.Millisecond},
		{"latency is waited for", Method{Every: 100, Bits: 1}, Link{1e9, 1e9, time.Second}, 300*time.Second + 1100*time.Millisecond},
		// A payload coded as a whole: 2 s up, 5 s pause, 1 s down, nothing hidden.
		{"whole", Method{Every: 100, Bits: 2, BitsDown: 2, Whole: true, Pause: 5 * time.Second}, Link{Up: 1e9, Down: 2e9}, 308 * time.Second},
		// Two eager steps hide six of the eight seconds.
		{"eager", Method{Every: 100, Bits: 2, BitsDown: 2, Whole: true, Pause: 5 * time.Second, Overlap: 2}, Link{Up: 1e9, Down: 2e9}, 302 * time.Second},
		{"eager enough", Method{Every: 100, Bits: 2, BitsDown: 2, Whole: true, Pause: 5 * time.Second, Overlap: 3}, Link{Up: 1e9, Down: 2e9}, 300 * time.Second},
	} {
		r, err := Simulate(m, c.how, c.link)
		if err != nil {
			t.Fatal(c.name, err)
		}
		got := r.Total / time.Duration(3) // three rounds are measured
		if d := got - c.want; d < -time.Millisecond || d > time.Millisecond {
			t.Errorf("%s: a round takes %v, want %v", c.name, got, c.want)
		}
	}
}

// random draws a case that Simulate accepts.
func random(r *rand.Rand) (Model, Method, Link) {
	m := Model{Layers: 1 + r.IntN(40), Parameters: 1 + r.Uint64N(1e11), Step: time.Duration(1+r.IntN(1e4)) * time.Millisecond}
	how := Method{Every: 1 + r.IntN(60), Bits: float64(1 + r.IntN(32))}
	if how.Every > 1 {
		how.Overlap = r.IntN(how.Every)
	}
	if r.IntN(2) == 0 {
		how.Fragment = 1 + r.IntN(m.Layers)
	} else if r.IntN(2) == 0 {
		how.Whole, how.BitsDown, how.Pause = true, float64(1+r.IntN(32)), time.Duration(r.IntN(1e5))*time.Millisecond
	}
	return m, how, Link{Up: 1e6 + r.Int64N(1e11), Down: 1e6 + r.Int64N(1e11), Latency: time.Duration(r.IntN(500)) * time.Millisecond}
}

func TestProperties(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 1))
		m, how, link := random(r)
		run := func(how Method, link Link) float64 {
			got, err := Simulate(m, how, link)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if u := got.Utilisation(); !(u > 0 && u <= 1) {
				t.Fatalf("seed %d: utilisation %g of %+v, %+v, %+v", seed, u, m, how, link)
			}
			return got.Utilisation()
		}
		base := run(how, link)
		const slack = 1e-6 // rounding to nanoseconds
		faster := link
		faster.Up, faster.Down = link.Up*(2+r.Int64N(5)), link.Down*(2+r.Int64N(5))
		if u := run(how, faster); u < base-slack {
			t.Errorf("seed %d: a faster link lowers utilisation from %g to %g: %+v, %+v, %+v", seed, base, u, m, how, link)
		}
		slower := link
		slower.Latency += time.Duration(1 + r.IntN(1e9))
		if u := run(how, slower); u > base+slack {
			t.Errorf("seed %d: latency raises utilisation from %g to %g: %+v, %+v, %+v", seed, base, u, m, how, link)
		}
		if how.Every > 1 && how.Overlap+1 < how.Every && how.Fragment == 0 {
			more := how
			more.Overlap++
			if u := run(more, link); u < base-slack {
				t.Errorf("seed %d: overlap lowers utilisation from %g to %g: %+v, %+v, %+v", seed, base, u, m, how, link)
			}
		}
		if again := run(how, link); again != base {
			t.Errorf("seed %d: %g, then %g", seed, base, again)
		}
	}
}

func TestRefused(t *testing.T) {
	good := Model{Layers: 4, Parameters: 1e6, Step: time.Second}
	for name, c := range map[string]struct {
		m    Model
		how  Method
		link Link
	}{
		"no layers":     {Model{Parameters: 1, Step: time.Second}, DiLoCo(2, 16), Symmetric(1)},
		"many layers":   {Model{Layers: MaxLayers + 1, Parameters: 1, Step: time.Second}, DiLoCo(2, 16), Symmetric(1)},
		"no time":       {Model{Layers: 4, Parameters: 1}, DiLoCo(2, 16), Symmetric(1)},
		"never":         {good, DiLoCo(0, 16), Symmetric(1e9)},
		"overlap":       {good, Streaming(10, 10, 16), Symmetric(1e9)},
		"fragment":      {good, Method{Every: 4, Fragment: 5, Bits: 1}, Symmetric(1e9)},
		"no link":       {good, DiLoCo(2, 16), Link{}},
		"endless":       {Model{Layers: 4, Parameters: 1 << 62, Step: time.Second}, DiLoCo(2, 16), Symmetric(1)},
		"negative bits": {good, DiLoCo(2, -1), Symmetric(1e9)},
	} {
		if r, err := Simulate(c.m, c.how, c.link); err == nil || !strings.HasPrefix(err.Error(), "simulate ") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if w, err := Required(good, Method{Name: "slow", Every: 10, Bits: 1}, Link{Up: 1, Down: 1, Latency: time.Hour}, 0.9); err == nil || !strings.Contains(err.Error(), "out of reach") {
		t.Errorf("an hour of latency: %d bit/s, %v", w, err)
	}
}
