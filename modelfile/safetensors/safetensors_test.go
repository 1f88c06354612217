package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sample() []Tensor {
	return []Tensor{
		{Name: "b", Type: F32, Dims: []int{2, 3}, Data: []float32{1, -2, 0.5, 3e38, 1e-45, 0}},
		{Name: "a", Type: F32, Dims: []int{1}, Data: []float32{-0.25}},
		{Name: "empty", Type: F32, Dims: []int{0, 4}, Data: []float32{}},
		{Name: "scalar", Type: F32, Dims: []int{}, Data: []float32{7}},
		{Name: "half", Type: F16, Dims: []int{3}, Data: []float32{1, -0.5, 65504}},
		{Name: "brain", Type: BF16, Dims: []int{2}, Data: []float32{-1, 0x1p100}},
	}
}

func container(header string, data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func TestRoundTrip(t *testing.T) {
	var b bytes.Buffer
	metadata := map[string]string{"format": "pt", "about": "a \"quoted\" text"}
	if err := Write(&b, metadata, sample()); err != nil {
		t.Fatal(err)
	}
	gotMetadata, got, err := Read(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(metadata, gotMetadata); d != "" {
		t.Errorf("metadata differs:\n%s", d)
	}
	if d := cmp.Diff(sample(), got); d != "" {
		t.Errorf("tensors differ:\n%s", d)
	}
	if n := binary.LittleEndian.Uint64(b.Bytes()); n%8 != 0 {
		t.Errorf("header of %d bytes leaves the data unaligned", n)
	}
}

// TestGolden holds the bytes of a small file, as other programs read them.
func TestGolden(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, map[string]string{"k": "v"}, []Tensor{{Name: "w", Dims: []int{2}, Data: []float32{1, -2}}}); err != nil {
		t.Fatal(err)
	}
	want := "5000000000000000" + hex.EncodeToString([]byte(`{"__metadata__":{"k":"v"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`)) +
		"20" + "0000803f000000c0"
	if got := hex.EncodeToString(b.Bytes()); got != want {
		t.Errorf("bytes differ\n got %s\nwant %s", got, want)
	}
}

func TestReadsShortTypes(t *testing.T) {
	header := `{"h":{"dtype":"F16","shape":[6],"data_offsets":[0,12]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[12,16]}}`
	data := []byte{0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00, 0xff, 0x7b, 0x00, 0x7c, 0x00, 0x80, 0x80, 0x3f, 0x00, 0xc0}
	b := container(header, data)
	_, got, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	want := []Tensor{
		{Name: "h", Type: F16, Dims: []int{6}, Data: []float32{1, -2, 0x1p-24, 65504, float32(math.Inf(1)), float32(math.Copysign(0, -1))}},
		{Name: "b", Type: BF16, Dims: []int{2}, Data: []float32{1, -2}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("tensors differ:\n%s", d)
	}
	if !math.Signbit(float64(got[0].Data[5])) {
		t.Error("the sign of zero is lost")
	}
}

func TestRejects(t *testing.T) {
	entry := func(dtype, shape, offsets string) string {
		return `{"dtype":"` + dtype + `","shape":` + shape + `,"data_offsets":` + offsets + `}`
	}
	cases := map[string]struct {
		file []byte
		want error
	}{
		"nothing":            {nil, ErrFormat},
		"long header":        {binary.LittleEndian.AppendUint64(nil, MaxHeader+1), ErrFormat},
		"header beyond end":  {binary.LittleEndian.AppendUint64(nil, 100), ErrFormat},
		"huge header":        {bytes.Repeat([]byte{0xff}, 16), ErrFormat},
		"not JSON":           {container("hello", nil), ErrFormat},
		"leading space":      {container(" {}", nil), ErrFormat},
		"unfinished":         {container(`{"a":`, nil), ErrFormat},
		"two objects":        {container(`{}{}`, nil), ErrFormat},
		"array":              {container(`[]`, nil), ErrFormat},
		"unclaimed data":     {container(`{}`, []byte{1}), ErrFormat},
		"gap":                {container(`{"a":`+entry("F32", "[1]", "[4,8]")+`}`, make([]byte, 8)), ErrFormat},
		"overlap":            {container(`{"a":`+entry("F32", "[2]", "[0,8]")+`,"b":`+entry("F32", "[1]", "[4,8]")+`}`, make([]byte, 8)), ErrFormat},
		"beyond the end":     {container(`{"a":`+entry("F32", "[4]", "[0,16]")+`}`, make([]byte, 8)), ErrFormat},
		"wrong size":         {container(`{"a":`+entry("F32", "[3]", "[0,8]")+`}`, make([]byte, 8)), ErrFormat},
		"backwards":          {container(`{"a":`+entry("F32", "[1]", "[8,4]")+`}`, make([]byte, 8)), ErrFormat},
		"negative dimension": {container(`{"a":`+entry("F32", "[-1]", "[0,8]")+`}`, make([]byte, 8)), ErrFormat},
		"overflow":           {container(`{"a":`+entry("F32", "[4294967296,4294967296]", "[0,0]")+`}`, nil), ErrFormat},
		"fraction":           {container(`{"a":`+entry("F32", "[1.5]", "[0,4]")+`}`, make([]byte, 4)), ErrFormat},
		"name twice":         {container(`{"a":`+entry("F32", "[0]", "[0,0]")+`,"a":`+entry("F32", "[0]", "[0,0]")+`}`, nil), ErrFormat},
		"unknown field":      {container(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"x":1}}`, nil), ErrFormat},
		"unknown type":       {container(`{"a":`+entry("F8_E4M3", "[1]", "[0,1]")+`}`, []byte{1}), ErrType},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, _, err := Read(bytes.NewReader(c.file), int64(len(c.file))); !errors.Is(err, c.want) {
				t.Errorf("error is %v, want %v", err, c.want)
			}
		})
	}
}

func TestTruncatedData(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, nil, sample()); err != nil {
		t.Fatal(err)
	}
	// The size promises more than the reader has.
	if _, _, err := Read(bytes.NewReader(b.Bytes()[:b.Len()-3]), int64(b.Len())); err == nil {
		t.Error("a truncated file was read")
	}
}

func TestWriteRejects(t *testing.T) {
	for name, tensors := range map[string][]Tensor{
		"wrong dimensions":  {{Name: "a", Dims: []int{2}, Data: []float32{1}}},
		"does not fit":      {{Name: "a", Type: F16, Dims: []int{1}, Data: []float32{1e5}}},
		"does not fit BF16": {{Name: "a", Type: BF16, Dims: []int{1}, Data: []float32{math.MaxFloat32}}},
		"unknown type":      {{Name: "a", Type: "F64", Dims: []int{1}, Data: []float32{1}}},
		"no name":           {{Dims: []int{1}, Data: []float32{1}}},
		"reserved name":     {{Name: "__metadata__", Dims: []int{1}, Data: []float32{1}}},
		"name twice":        {{Name: "a", Type: F32, Dims: []int{1}, Data: []float32{1}}, {Name: "a", Dims: []int{1}, Data: []float32{1}}},
	} {
		if err := Write(new(bytes.Buffer), nil, tensors); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

// FuzzRead checks that nothing makes the reader panic or ask for more memory
// than the file is large, and that what it accepts survives a round trip.
func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := Write(&b, map[string]string{"k": "v"}, sample()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(container(`{"a":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]}}`, make([]byte, 4)))
	f.Fuzz(func(t *testing.T, data []byte) {
		metadata, tensors, err := Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := Write(&out, metadata, tensors); err != nil {
			return // names that are not UTF-8 or empty are read but not written
		}
		_, again, err := Read(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatalf("written file is not read: %v", err)
		}
		for i, a := range tensors {
			if a.Name != again[i].Name || len(a.Data) != len(again[i].Data) {
				t.Fatalf("tensor %d changed: %q to %q", i, a.Name, again[i].Name)
			}
		}
	})
}
