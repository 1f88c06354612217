package kernel_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/crescendo-network/crescendo/engine/internal/kernel"
	"github.com/crescendo-network/crescendo/modelfile/gguf"
)

// fill draws numbers of several magnitudes, some of them zero.
func fill(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	scale := math.Exp(rng.Float64()*20 - 10)
	for i := range x {
		if rng.IntN(16) > 0 {
			x[i] = float32(rng.NormFloat64() * scale)
		}
	}
	return x
}

// TestInt8Bits compares every kernel with the portable one, and that with sums in
// float64.
func TestInt8Bits(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		rows, out, in := 1+rng.IntN(20), 1+rng.IntN(100), 1+rng.IntN(200)
		m := kernel.NewInt8(out, in)
		for j := range out {
			if err := m.SetRow(j, fill(rng, in)); err != nil {
				t.Fatal(err)
			}
		}
		x := kernel.NewSmall(rows+1, in+40)
		lefts := make([][]float32, rows)
		for r := range lefts {
			lefts[r] = fill(rng, in)
			x.Set(kernel.Available()[0], r, lefts[r])
		}
		add, rowY := rng.IntN(2) == 0, out+rng.IntN(5)
		start := fill(rng, rows*rowY)
		var want []float32
		for _, set := range kernel.Available() {
			for _, tasks := range []int{1, 3} {
				y := append([]float32(nil), start...)
				for task := range tasks {
					m.Multiply(set, rows, x, task, tasks, y, rowY, add)
				}
				if want == nil {
					want = y
					continue
				}
				for i, v := range y {
					if math.Float32bits(v) != math.Float32bits(want[i]) {
						t.Fatalf("seed %d (%d by %d by %d): %s gives %v at %d, portable %v", seed, rows, out, in, set.Name(), v, i, want[i])
					}
				}
			}
		}
		weights := make([]float32, in)
		for j := range out {
			m.Row(j, weights)
			for r, left := range lefts {
				var sum, size float64
				if add {
					sum = float64(start[r*rowY+j])
				}
				for k, w := range weights {
					largest := 0.0
					for _, v := range left[k/32*32 : min(in, k/32*32+32)] {
						largest = max(largest, math.Abs(float64(v)))
					}
					rounded := math.RoundToEven(float64(left[k])*(127/largest)) * largest / 127
					if largest == 0 {
						rounded = 0
					}
					sum += rounded * float64(w)
					size += math.Abs(rounded * float64(w))
				}
				// A number halfway between two may be rounded the other way in float64.
				if got := float64(want[r*rowY+j]); math.Abs(got-sum) > 2e-2*size+1e-5*math.Abs(sum)+1e-30 {
					t.Fatalf("seed %d: output %d,%d is %v, want about %v", seed, r, j, got, sum)
				}
			}
		}
		for i, v := range want {
			if i%rowY >= out && v != start[i] {
				t.Fatalf("seed %d: element %d beside the result was written", seed, i)
			}
		}
	}
}

// TestInt8Extremes: sums at their largest are exact, and what is not finite stays
// visible.
func TestInt8Extremes(t *testing.T) {
	const in, out = 96, 33
	row := make([]float32, in)
	for _, sign := range []float32{1, -1} {
		for i := range row {
			row[i] = 127
		}
		m := kernel.NewInt8(out, in)
		for j := range out {
			if err := m.SetRow(j, row); err != nil {
				t.Fatal(err)
			}
		}
		for i := range row {
			row[i] = sign * 127
		}
		x := kernel.NewSmall(1, in)
		x.Set(kernel.Default(), 0, row)
		for _, set := range kernel.Available() {
			y := make([]float32, out)
			m.Multiply(set, 1, x, 0, 1, y, out, false)
			for j, v := range y {
				if v != sign*127*127*in {
					t.Errorf("%s: output %d is %v, want %v", set.Name(), j, v, sign*127*127*in)
				}
			}
		}
		for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
			spoiled := append([]float32(nil), row...)
			spoiled[50] = bad
			x.Set(kernel.Default(), 0, spoiled)
			for _, set := range kernel.Available() {
				y := make([]float32, out)
				m.Multiply(set, 1, x, 0, 1, y, out, false)
				for j, v := range y {
					if v == v {
						t.Errorf("%s: output %d of %v is %v, want NaN", set.Name(), j, bad, v)
					}
				}
			}
			if err := m.SetRow(0, spoiled); err == nil {
				t.Errorf("a row with %v is stored", bad)
			}
		}
		x.Set(kernel.Default(), 0, append([]float32{1e-40, -1e-40}, make([]float32, in-2)...))
		y := make([]float32, out)
		m.Multiply(kernel.Default(), 1, x, 0, 1, y, out, false)
		if y[0] != 0 {
			t.Errorf("a block of tiny numbers gives %v, want 0", y[0])
		}
	}
}

// TestInt8IsQ8 stores the same rows in a GGUF file and reads the same numbers.
func TestInt8IsQ8(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	const out, in = 300, 64
	var rows []float32
	for range out {
		rows = append(rows, fill(rng, in)...)
	}
	for i := range 64 { // halves, and scales below the normal range of 16 bits
		rows[i] = float32(i) / 2
		rows[64+i] = float32(i) * 1e-7
		rows[128+i] = float32(i) * 1e-9
	}
	rows[0] = 127
	m := kernel.NewInt8(out, in)
	for j := range out {
		if err := m.SetRow(j, rows[j*in:(j+1)*in]); err != nil {
			t.Fatal(err)
		}
	}
	var file bytes.Buffer
	if err := gguf.Write(&file, nil, []gguf.Tensor{{Name: "w", Dims: []int{out, in}, Type: gguf.Q8, Data: rows}}); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float32, out*in)
	if err := f.ReadFloat32("w", want); err != nil {
		t.Fatal(err)
	}
	got := make([]float32, in)
	for j := range out {
		m.Row(j, got)
		for k, v := range got {
			if v != want[j*in+k] {
				t.Fatalf("number %d of row %d is %v, in the file %v (of %v)", k, j, v, want[j*in+k], rows[j*in+k])
			}
		}
	}
}

// TestRows compares products of one row with Multiply.
func TestRows(t *testing.T) {
	for seed := range uint64(80) {
		rng := rand.New(rand.NewPCG(seed, 2))
		n, k, add := 1+rng.IntN(300), 1+rng.IntN(600), rng.IntN(2) == 0
		a, w, start := fill(rng, k), fill(rng, n*k), fill(rng, n)
		groups, step := 1+rng.IntN(7), kernel.GroupColumns+rng.IntN(70)
		data := fill(rng, groups*k*step+200)
		half, wide := make([]uint16, len(data)), make([]float32, len(data))
		kernel.Narrow(half, data)
		kernel.Default().Widen(wide, half)
		var at []int
		for range groups {
			at = append(at, rng.IntN(len(data)-(k-1)*step-kernel.GroupColumns+1))
		}
		from := fill(rng, groups*kernel.GroupColumns)
		for _, set := range kernel.Available() {
			again := make([]float32, len(half))
			set.Widen(again, half)
			equalBits(t, seed, set.Name()+" widen", again, wide)
		}
		for _, set := range kernel.Available() {
			var scratch kernel.Scratch
			packed := make([]float32, set.PackedLen(k, n))
			set.Pack(packed, w, k, k, n, 0, set.Panels(n))
			b := kernel.Right{Data: packed, Packed: true}
			got, want := append([]float32(nil), start...), append([]float32(nil), start...)
			set.Multiply(1, n, k, kernel.Left{Data: a, Row: k, Step: 1}, b, want, n, add, &scratch)
			set.MultiplyRow(n, k, a, b, got, add, &scratch)
			equalBits(t, seed, set.Name()+" row", got, want)

			for _, x := range []struct {
				name string
				data []float32
				f    func(c []float32)
			}{
				{"groups", data, func(c []float32) { set.RowGroups(k, a, data, at, nil, step, c, add) }},
				{"groups of halves", wide, func(c []float32) { set.RowGroupsHalf(k, a, half, at, nil, step, c, add) }},
			} {
				got, want := append([]float32(nil), from...), append([]float32(nil), from...)
				for g, first := range at {
					set.Multiply(1, kernel.GroupColumns, k, kernel.Left{Data: a, Row: k, Step: 1}, kernel.Right{Data: x.data[first:], Row: step},
						want[g*kernel.GroupColumns:], kernel.GroupColumns, add, &scratch)
				}
				x.f(got)
				equalBits(t, seed, set.Name()+" "+x.name, got, want)
			}
		}
	}
}

func equalBits(t *testing.T, seed uint64, name string, got, want []float32) {
	t.Helper()
	for i, v := range got {
		if math.Float32bits(v) != math.Float32bits(want[i]) {
			t.Fatalf("seed %d, %s: element %d is %v, want %v", seed, name, i, v, want[i])
		}
	}
}
