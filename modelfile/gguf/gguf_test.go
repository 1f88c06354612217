package gguf

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/google/go-cmp/cmp"
)

func samplePairs() []Pair {
	return []Pair{
		{"general.architecture", "llama"}, {"a", uint32(7)}, {"b", int32(-7)}, {"c", uint64(1 << 40)}, {"d", float32(0.5)},
		{"e", true}, {"f", false}, {"g", []int32{1, -2}}, {"h", []float32{0.25}}, {"i", []string{"x", "", "žluť"}},
	}
}

func sampleTensors() []Tensor {
	long := make([]float32, 64)
	for i := range long {
		long[i] = float32(i-20) / 8
	}
	return []Tensor{
		{"norm", []int{3}, F32, []float32{1, -2, 3e38}},
		{"half", []int{2, 2}, F16, []float32{1, -2, 0.5, 65504}},
		{"bytes", []int{2, 32}, Q8, long},
	}
}

func written(t testing.TB, pairs []Pair, tensors []Tensor) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, pairs, tensors); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	b := written(t, samplePairs(), sampleTensors())
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(samplePairs(), f.Metadata()); d != "" {
		t.Errorf("metadata differs:\n%s", d)
	}
	for i, want := range sampleTensors() {
		e := f.Entries()[i]
		if e.Name != want.Name || e.Type != want.Type || !cmp.Equal(e.Dims, want.Dims) {
			t.Errorf("entry %d is %+v", i, e)
		}
		got := make([]float32, e.Len)
		if err := f.ReadFloat32(e.Name, got); err != nil {
			t.Fatal(err)
		}
		for j, w := range want.Data {
			bound := 0.0
			if e.Type == Q8 { // half a step of the block's scale, and the scale's own rounding
				bound = float64(blockLargest(want.Data, j)) * (0.5/127 + 0x1p-11)
			}
			if d := math.Abs(float64(got[j] - w)); !(d <= bound) {
				t.Errorf("%s: element %d is %v, want %v within %v", e.Name, j, got[j], w, bound)
			}
		}
	}
	if err := f.ReadFloat32("absent", nil); !errors.Is(err, ErrAbsent) {
		t.Errorf("error is %v, want ErrAbsent", err)
	}
}

func blockLargest(v []float32, i int) (largest float32) {
	for _, f := range v[i/32*32 : i/32*32+32] {
		largest = max(largest, f, -f)
	}
	return largest
}

// TestGolden holds the bytes of a small file: what llama.cpp has been seen to read.
func TestGolden(t *testing.T) {
	data := make([]float32, 32)
	data[0], data[1], data[31] = 127, -1, 0.5
	b := written(t, []Pair{{"k", uint32(5)}}, []Tensor{{"w", []int{1, 32}, Q8, data}})
	want := "47475546" + "03000000" + "0100000000000000" + "0100000000000000" + // magic, version, counts
		"0100000000000000" + "6b" + "04000000" + "05000000" + // k = 5
		"0100000000000000" + "77" + "02000000" + "2000000000000000" + "0100000000000000" + "08000000" + "0000000000000000" + // w
		strings.Repeat("00", 14) +
		"003c" + "7fff" + strings.Repeat("00", 29) + "01" + strings.Repeat("00", 30)
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("bytes differ\n got %s\nwant %s", got, want)
	}
}

// A scale whose inverse is infinite must not meet a zero: what becomes of NaN
// depends on the processor.
func TestTinyBlock(t *testing.T) {
	for _, tiny := range []float32{0, 0x1p-149, 1e-38, -3e-37} {
		b, err := appendQ8(nil, append(make([]float32, 31), tiny))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, make([]byte, 34)) {
			t.Errorf("a block of zeros and %g is written as %x", tiny, b)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		pairs   []Pair
		tensors []Tensor
	}{
		"repeated key":     {[]Pair{{"a", true}, {"a", true}}, nil},
		"unknown value":    {[]Pair{{"a", struct{}{}}}, nil},
		"repeated name":    {nil, []Tensor{{"a", []int{1}, F32, []float32{1}}, {"a", []int{1}, F32, []float32{1}}}},
		"wrong length":     {nil, []Tensor{{"a", []int{2}, F32, []float32{1}}}},
		"broken block":     {nil, []Tensor{{"a", []int{2, 16}, Q8, make([]float32, 32)}}},
		"overflow":         {nil, []Tensor{{"a", []int{1}, F16, []float32{70000}}}},
		"infinite block":   {nil, []Tensor{{"a", []int{32}, Q8, append(make([]float32, 31), float32(math.Inf(1)))}}},
		"not a number":     {nil, []Tensor{{"a", []int{32}, Q8, append(make([]float32, 31), float32(math.NaN()))}}},
		"unknown type":     {nil, []Tensor{{"a", []int{1}, Type(2), []float32{1}}}},
		"no dimensions":    {nil, []Tensor{{"a", nil, F32, nil}}},
		"empty dimension":  {nil, []Tensor{{"a", []int{0}, F32, nil}}},
		"five dimensions":  {nil, []Tensor{{"a", []int{1, 1, 1, 1, 1}, F32, []float32{1}}}},
		"name is not UTF8": {nil, []Tensor{{"\xff", []int{1}, F32, []float32{1}}}},
	} {
		if err := Write(&bytes.Buffer{}, c.pairs, c.tensors); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

// change returns the file with bytes replaced at the first place where old stands.
func change(t *testing.T, file []byte, old, new string) []byte {
	t.Helper()
	if !bytes.Contains(file, []byte(old)) {
		t.Fatalf("the file has no %q", old)
	}
	return bytes.Replace(file, []byte(old), []byte(new), 1)
}

func u64(v uint64) string { return string(binary.LittleEndian.AppendUint64(nil, v)) }

func TestOpenRefuses(t *testing.T) {
	b := written(t, samplePairs(), sampleTensors())
	name := u64(4) + "norm\x01\x00\x00\x00"
	cases := map[string]struct {
		file []byte
		want error
	}{
		"nothing":             {nil, ErrFormat},
		"magic":               {change(t, b, "GGUF", "GGML"), ErrFormat},
		"version":             {change(t, b, "GGUF\x03", "GGUF\x02"), ErrFormat},
		"many tensors":        {change(t, b, u64(3)+u64(10), u64(1<<40)+u64(10)), ErrFormat},
		"many pairs":          {change(t, b, u64(3)+u64(10), u64(3)+u64(1<<60)), ErrFormat},
		"long key":            {change(t, b, u64(20)+"general", u64(1<<63)+"general"), ErrFormat},
		"key not UTF-8":       {change(t, b, "general", "gener\xffl"), ErrFormat},
		"kind":                {change(t, b, u64(1)+"a\x04", u64(1)+"a\x0d"), ErrType},
		"repeated key":        {change(t, b, u64(1)+"b\x05", u64(1)+"a\x05"), ErrFormat},
		"truth value":         {change(t, b, "e\x07\x00\x00\x00\x01", "e\x07\x00\x00\x00\x02"), ErrFormat},
		"array of arrays":     {change(t, b, "g\x09\x00\x00\x00\x05", "g\x09\x00\x00\x00\x09"), ErrType},
		"huge array":          {change(t, b, "g\x09\x00\x00\x00\x05\x00\x00\x00"+u64(2), "g\x09\x00\x00\x00\x05\x00\x00\x00"+u64(1<<21)), ErrFormat},
		"no dimensions":       {change(t, b, name, u64(4)+"norm\x00\x00\x00\x00"), ErrFormat},
		"many dimensions":     {change(t, b, name, u64(4)+"norm\xff\xff\xff\xff"), ErrFormat},
		"empty dimension":     {change(t, b, name+u64(3), name+u64(0)), ErrFormat},
		"huge dimension":      {change(t, b, name+u64(3), name+u64(1<<62)), ErrFormat},
		"beyond the end":      {change(t, b, name+u64(3), name+u64(3000)), ErrFormat},
		"tensor type":         {change(t, b, name+u64(3)+"\x00", name+u64(3)+"\x02"), ErrType},
		"offset":              {change(t, b, name+u64(3)+"\x00\x00\x00\x00"+u64(0), name+u64(3)+"\x00\x00\x00\x00"+u64(32)), ErrFormat},
		"offset out of range": {change(t, b, name+u64(3)+"\x00\x00\x00\x00"+u64(0), name+u64(3)+"\x00\x00\x00\x00"+u64(1<<63)), ErrFormat},
		"repeated tensor":     {change(t, b, u64(4)+"half", u64(4)+"norm"), ErrFormat},
		"text after it":       {append(bytes.Clone(b), 0), ErrFormat},
		"alignment":           {written(t, []Pair{{"general.alignment", uint32(64)}}, nil), ErrType},
	}
	for name, c := range cases {
		if _, err := Open(bytes.NewReader(c.file), int64(len(c.file))); !errors.Is(err, c.want) {
			t.Errorf("%s: error is %v, want %v", name, err, c.want)
		}
	}
	for n := range len(b) {
		if _, err := Open(bytes.NewReader(b[:n]), int64(n)); !errors.Is(err, ErrFormat) {
			t.Fatalf("the first %d of %d bytes: error is %v, want ErrFormat", n, len(b), err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(written(f, samplePairs(), sampleTensors()))
	f.Add(written(f, nil, nil))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		var tensors []Tensor
		for _, e := range file.Entries() {
			data := make([]float32, e.Len)
			if err := file.ReadFloat32(e.Name, data); err != nil {
				t.Fatalf("tensor %q of a file that opened: %v", e.Name, err)
			}
			tensors = append(tensors, Tensor{e.Name, e.Dims, e.Type, data})
		}
		// What was read can be written, unless a block has numbers that none of ours has.
		var again bytes.Buffer
		if Write(&again, file.Metadata(), tensors) != nil {
			return
		}
		if _, err := Open(bytes.NewReader(again.Bytes()), int64(again.Len())); err != nil {
			t.Fatalf("a file written from what was read does not open: %v", err)
		}
	})
}

func TestInterleave(t *testing.T) {
	// Two heads of four rows and one column; pairs (0,2) and (1,3).
	got := interleave([]float32{0, 1, 2, 3, 4, 5, 6, 7}, 2, 4, 1)
	if d := cmp.Diff([]float32{0, 2, 1, 3, 4, 6, 5, 7}, got); d != "" {
		t.Error(d)
	}
}

func TestWriteModel(t *testing.T) {
	shape := engine.Shape{Vocab: 40, Dim: 32, Layers: 2, Heads: 4, KVHeads: 2, FFN: 48, Context: 32, RopeTheta: 10000, NormEps: 1e-5}
	params := make([]float32, shape.Parameters())
	engine.InitParams(shape, params, 3)
	var b bytes.Buffer
	if err := WriteModel(&b, Model{Name: "m", Shape: shape, Params: params, Type: Q8}); err != nil {
		t.Fatal(err)
	}
	f, err := Open(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]Type{}
	for _, e := range f.Entries() {
		types[e.Name] = e.Type
	}
	for name, want := range map[string]Type{"token_embd.weight": Q8, "blk.1.attn_k.weight": Q8, "blk.1.ffn_down.weight": F16, // 48 is no multiple of 32
		"blk.0.attn_norm.weight": F32, "output_norm.weight": F32, "output.weight": Q8} {
		if got, ok := types[name]; !ok || got != want {
			t.Errorf("%s is %v, %v, want %v", name, got, ok, want)
		}
	}
	if got := f.Value("llama.attention.head_count_kv"); got != uint32(2) {
		t.Errorf("key-value heads are %v", got)
	}
	scaled := shape
	scaled.QKVBias = true
	scaled.RopeScaling = engine.RopeScaling{Kind: engine.RopeLlama3, Factor: 8, LowFactor: 1, HighFactor: 4, Original: 64}
	b.Reset()
	if err := WriteModel(&b, Model{Name: "m", Shape: scaled, Params: make([]float32, scaled.Parameters())}); err != nil {
		t.Fatal(err)
	}
	if f, err = Open(bytes.NewReader(b.Bytes()), int64(b.Len())); err != nil {
		t.Fatal(err)
	}
	factors := make([]float32, 4)
	if err := f.ReadFloat32("rope_freqs.weight", factors); err != nil {
		t.Fatal(err)
	}
	if factors[0] != 1 || factors[3] != 8 { // the first pair turns ten times in 64 tokens, the last not once
		t.Errorf("rotary factors are %v", factors)
	}
	if err := f.ReadFloat32("blk.1.attn_k.bias", make([]float32, 16)); err != nil {
		t.Error(err)
	}
	if err := WriteModel(&b, Model{Shape: shape, Params: params[1:]}); err == nil {
		t.Error("a model of the wrong length was written")
	}
	if err := WriteModel(&b, Model{Shape: shape, Params: params, Type: Type(9)}); !errors.Is(err, ErrType) {
		t.Errorf("unknown type: error is %v", err)
	}
}
