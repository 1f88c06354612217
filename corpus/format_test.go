package corpus

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a committed file: formats are promises.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s has changed (-want +got); blobs in the wild would mean something else:\n%s", name, diff)
	}
}

func exampleShard() *Shard {
	return &Shard{Split: HeldOut, Index: 3, Vocab: 4096, Tokenizer: blob.Sum([]byte("a tokenizer")), Tokens: []uint16{0, 1, 260, 4095}}
}

func TestGoldenShard(t *testing.T) {
	data := exampleShard().Encode()
	golden(t, "shard.txt", fmt.Appendf(nil, "%s\nblob %s\n", strings.TrimSpace(hexLines(data)), blob.Sum(data)))
	back, err := DecodeShard(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(exampleShard(), back); diff != "" {
		t.Error(diff)
	}
}

func hexLines(b []byte) string {
	var out strings.Builder
	for i := 0; i < len(b); i += 16 {
		fmt.Fprintln(&out, hex.EncodeToString(b[i:min(i+16, len(b))]))
	}
	return out.String()
}

// TestGoldenManifest holds the whole pipeline: reading, splitting, tokenizer,
// shards, baseline, manifest.
func TestGoldenManifest(t *testing.T) {
	store := blob.NewMemory()
	s := Directory(write(t, stories(12)))
	s.SPDX = "CC0-1.0"
	p := build(t, s, small(store))
	data, err := store.Get(t.Context(), p.Hash, 0)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "manifest.json", append(data, '\n'))
	back, err := DecodeManifest(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.Manifest, back); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeManifestRefuses(t *testing.T) {
	good, err := os.ReadFile("testdata/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	good = bytes.TrimSpace(good)
	for name, change := range map[string][2]string{
		"version":       {`"version":2`, `"version":1`},
		"vocabulary":    {`"vocab":400`, `"vocab":70000`},
		"context":       {`"context":16`, `"context":0`},
		"long context":  {`"context":16`, `"context":999`},
		"token count":   {`"tokens":1000}`, `"tokens":1001}`},
		"negative":      {`"bytes":`, `"bytes":-`},
		"unknown key":   {`"context"`, `"comment":1,"context"`},
		"white space":   {`,"context"`, `, "context"`},
		"upper case":    {`"context"`, `"Context"`},
		"repeated key":  {`"context":16`, `"context":16,"context":16`},
		"root":          {`"root":"`, `"root":"00`},
		"no shards":     {`"shards":[{`, `"shards":[],"shard":[{`},
		"escaped":       {`CC0`, `\u0043C0`},
		"trailing data": {`"vocab":400}`, `"vocab":400}{}`},
	} {
		bad := bytes.Replace(good, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(bad, good) {
			t.Fatalf("%s: %q is not in the manifest", name, change[0])
		}
		if _, err := DecodeManifest(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func leaves(n int) []crescendo.Hash {
	out := make([]crescendo.Hash, n)
	for i := range out {
		out[i] = blob.Sum([]byte{byte(i)})
	}
	return out
}

func TestGoldenRoots(t *testing.T) {
	var got strings.Builder
	for n := range 10 {
		fmt.Fprintf(&got, "%d %s\n", n, Root(leaves(n)))
	}
	golden(t, "roots.txt", []byte(got.String()))
}

func TestProofs(t *testing.T) {
	for n := 1; n <= 70; n++ {
		all := leaves(n)
		root := Root(all)
		for i := range all {
			p, err := Prove(all, i)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Verify(root, all[i]); err != nil {
				t.Fatalf("leaf %d of %d: %v", i, n, err)
			}
			for what, bad := range map[string]Proof{
				"other index":  {Index: (i + 1) % n, Size: n, Path: p.Path},
				"other size":   {Index: i, Size: 2*n + 1, Path: p.Path},
				"longer path":  {Index: i, Size: n, Path: append(p.Path[:len(p.Path):len(p.Path)], root)},
				"negative":     {Index: -1, Size: n, Path: p.Path},
				"past the end": {Index: n, Size: n, Path: p.Path},
			} {
				if n == 1 && what == "other index" {
					continue
				}
				if bad.Verify(root, all[i]) == nil {
					t.Fatalf("leaf %d of %d: proof with %s accepted", i, n, what)
				}
			}
			if p.Verify(root, blob.Sum([]byte("another"))) == nil {
				t.Fatalf("leaf %d of %d: another leaf accepted", i, n)
			}
		}
	}
	if _, err := Prove(leaves(3), 3); err == nil {
		t.Error("proof of a leaf that does not exist")
	}
	if Root(leaves(2)) == leafHash(Root(leaves(2))) {
		t.Error("nodes and leaves are hashed alike")
	}
}

func TestManifestProve(t *testing.T) {
	p := build(t, Directory(write(t, stories(60))), small(blob.NewMemory()))
	for _, s := range []Split{Train, HeldOut} {
		for i, shard := range p.Manifest.Part(s).Shards {
			proof, err := p.Manifest.Prove(s, i)
			if err != nil {
				t.Fatal(err)
			}
			if err := proof.Verify(p.Manifest.Root, shard.Blob); err != nil {
				t.Errorf("%s shard %d: %v", s, i, err)
			}
		}
		if _, err := p.Manifest.Prove(s, len(p.Manifest.Part(s).Shards)); err == nil {
			t.Errorf("%s: proof of a shard that does not exist", s)
		}
	}
}

// TestBigram compares the integer arithmetic with floating point.
func TestBigram(t *testing.T) {
	var train, heldOut [][]byte
	for name, text := range stories(30) {
		if strings.HasSuffix(name, "7.txt") {
			heldOut = append(heldOut, []byte(text))
		} else {
			train = append(train, []byte(text))
		}
	}
	var counts [256][256]float64
	var sums [256]float64
	for _, text := range train {
		prev := byte('\n')
		for _, b := range text {
			counts[prev][b]++
			sums[prev]++
			prev = b
		}
	}
	cost, n := 0.0, 0.0
	for _, text := range heldOut {
		prev := byte('\n')
		for _, b := range text {
			cost -= math.Log2((counts[prev][b] + 1) / (sums[prev] + 256))
			n++
			prev = b
		}
	}
	want := cost / n * 1e6
	if got := float64(BigramMicroBits(train, heldOut)); math.Abs(got-want) > 1 {
		t.Errorf("%f micro-bits a byte, want %f", got, want)
	}
	if got := BigramMicroBits(nil, [][]byte{{1, 2, 3}}); got != 8_000_000 {
		t.Errorf("an untrained model needs %d micro-bits a byte, want 8000000", got)
	}
	if got := BigramMicroBits(train, nil); got != 0 {
		t.Errorf("nothing costs %d", got)
	}
}

func TestLog2(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	for range 10_000 {
		x := rng.Uint64() >> rng.IntN(64)
		if x == 0 {
			continue
		}
		got := float64(log2(x)) / (1 << 32)
		if want := math.Log2(float64(x)); math.Abs(got-want) > 1e-9 {
			t.Fatalf("log2(%d) = %.12f, want %.12f", x, got, want)
		}
	}
}

func TestMicroBitsPerByte(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	log2e, _ := new(big.Float).SetPrec(200).SetString("1.4426950408889634073599246810018921")
	for range 1000 {
		loss, size := rng.Int64()>>rng.IntN(63), 2+rng.Int64N(1<<40)
		want, _ := new(big.Float).SetPrec(200).Mul(log2e, new(big.Float).SetInt64(loss)).Int(nil)
		want.Div(want, big.NewInt(size))
		got := MicroBitsPerByte(crescendo.MicroNats(loss), size)
		if d := want.Int64() - got; loss > 0 && (d < 0 || d > 1+want.Int64()>>58) {
			t.Fatalf("%d micro-nats over %d bytes: %d, want %d", loss, size, got, want)
		}
	}
	for _, c := range [][2]int64{{0, 1}, {-5, 1}, {5, 0}, {5, -1}} {
		if got := MicroBitsPerByte(crescendo.MicroNats(c[0]), c[1]); got != 0 {
			t.Errorf("MicroBitsPerByte(%d, %d) = %d, want 0", c[0], c[1], got)
		}
	}
}

func FuzzDecodeShard(f *testing.F) {
	f.Add(exampleShard().Encode())
	f.Add((&Shard{Vocab: 1}).Encode())
	f.Add([]byte(shardMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeShard(data)
		if err == nil && !bytes.Equal(s.Encode(), data) {
			t.Fatal("a shard that decodes is not what is written")
		}
	})
}

func FuzzDecodeManifest(f *testing.F) {
	good, err := os.ReadFile("testdata/manifest.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.TrimSpace(good))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeManifest(data)
		if err != nil {
			return
		}
		if again, err := m.Encode(); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("a manifest that decodes is not what is written: %v", err)
		}
	})
}

func FuzzVerifyProof(f *testing.F) {
	f.Add(1, 3, []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, index, size int, path []byte) {
		p := Proof{Index: index, Size: size}
		for len(path) > 0 {
			n := min(len(path), 32)
			p.Path = append(p.Path, blob.Sum(path[:n]))
			path = path[n:]
		}
		if p.Verify(Root(leaves(3)), blob.Sum(path)) == nil {
			t.Fatal("a made-up proof is accepted")
		}
	})
}
