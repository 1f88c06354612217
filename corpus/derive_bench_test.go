package corpus

import (
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo/blob"
)

// BenchmarkDerive packs the text of the thousandth ladder again, with another
// tokenizer, and looks for copied text in it. BYTES bounds the text.
func BenchmarkDerive(b *testing.B) {
	source, err := GoTree(b.Context())
	if err != nil {
		b.Skip(err)
	}
	most := int64(12 << 20)
	if n, err := strconv.ParseInt(os.Getenv("BYTES"), 10, 64); err == nil {
		most = n
	}
	store := blob.NewMemory()
	pack, err := Build(b.Context(), source, Options{Store: store, Vocab: 1024, Context: 128, Seed: 1, MaxBytes: most}, nil)
	if err != nil {
		b.Fatal(err)
	}
	m := pack.Manifest
	b.Logf("%d documents, %d bytes, %d tokens", m.Train.Documents+m.HeldOut.Documents, m.Train.Bytes+m.HeldOut.Bytes, m.Train.Tokens+m.HeldOut.Tokens)
	for _, vocab := range []int{768, 2048} {
		b.Run("vocabulary "+strconv.Itoa(vocab), func(b *testing.B) {
			before := processor(b)
			for range b.N {
				reader, err := Open(b.Context(), store, pack.Hash)
				if err != nil {
					b.Fatal(err)
				}
				derived, err := reader.Derive(b.Context(), Tokenization{Vocab: vocab})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(derived.Manifest().Train.Tokens), "tokens")
			}
			b.ReportMetric((processor(b)-before).Seconds()/float64(b.N), "cpu-s/op")
		})
	}
	b.Run("overlap", func(b *testing.B) {
		reader, err := Open(b.Context(), store, pack.Hash)
		if err != nil {
			b.Fatal(err)
		}
		texts := make([]string, 512) // eight tasks of 64 items
		for i := range texts {
			texts[i] = string(make([]byte, 500)) + strconv.Itoa(i)
		}
		before := processor(b)
		for range b.N {
			if _, err := reader.Overlapping(b.Context(), texts); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric((processor(b)-before).Seconds()/float64(b.N), "cpu-s/op")
	})
}

// processor is the time this process has had, which other processes do not
// lengthen.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
