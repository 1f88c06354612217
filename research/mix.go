package research

import (
	"slices"
	"strings"
)

// StandardWeight is the weight of documents that no part of a mix names.
const StandardWeight = 1000

// MixWeight says how often documents are drawn whose path begins or ends so,
// relative to others; what none names has the weight 1000, and 0 leaves
// documents out. Of several that fit, the longest counts, of equals the
// prefix.
type MixWeight struct {
	Prefix   string `pb:"1" yaml:"prefix,omitempty"`
	PerMille uint32 `pb:"2" yaml:"per-mille"`
	Suffix   string `pb:"3" yaml:"suffix,omitempty"` // instead of a prefix
}

// fits reports how many bytes of a path an entry names, and whether it does.
func (w MixWeight) fits(path string) (int, bool) {
	if w.Suffix != "" {
		return len(w.Suffix), strings.HasSuffix(path, w.Suffix)
	}
	return len(w.Prefix), strings.HasPrefix(path, w.Prefix)
}

// WeightOf returns the weight that a mix gives to documents of a path.
func WeightOf(mix []MixWeight, path string) uint32 {
	weight, longest := uint32(StandardWeight), 0
	for _, w := range mix {
		n, ok := w.fits(path)
		if ok && (n > longest || n == longest && w.Suffix == "") {
			weight, longest = w.PerMille, n
		}
	}
	return weight
}

// Filter refuses documents by what an index says of them. A document is a
// file, or a piece of at most 32 KiB of one. The zero value refuses none.
type Filter struct {
	MinBytes        uint32 `pb:"1" yaml:"min-bytes,omitempty"`
	MaxBytes        uint32 `pb:"2" yaml:"max-bytes,omitempty"`          // 0: no bound
	MaxTokensPerKiB uint32 `pb:"3" yaml:"max-tokens-per-kib,omitempty"` // 0: no bound; tables and encoded data need many
}

// Admits reports whether a document of so many bytes and tokens may be drawn.
func (f Filter) Admits(bytes, tokens uint64) bool {
	return bytes >= uint64(f.MinBytes) && (f.MaxBytes == 0 || bytes <= uint64(f.MaxBytes)) &&
		(f.MaxTokensPerKiB == 0 || tokens*1024 <= bytes*uint64(f.MaxTokensPerKiB))
}

func (f Filter) check() error {
	switch {
	case f.MinBytes > 1<<20 || f.MaxBytes > 1<<20:
		return bad("filter.max-bytes: at most %d", 1<<20)
	case f.MaxBytes != 0 && f.MaxBytes < f.MinBytes:
		return bad("filter.max-bytes: %d, less than min-bytes %d", f.MaxBytes, f.MinBytes)
	case f.MaxTokensPerKiB > 1<<12:
		return bad("filter.max-tokens-per-kib: %d, at most %d", f.MaxTokensPerKiB, 1<<12)
	}
	return nil
}

// CheckData refuses a data mix that is out of bounds or not sorted, and a
// filter that is out of bounds.
func CheckData(mix []MixWeight, filter Filter) error {
	if len(mix) > MaxMix {
		return bad("mix: %d entries, at most %d", len(mix), MaxMix)
	}
	for i, w := range mix {
		name := w.Prefix + w.Suffix
		switch {
		case (w.Prefix == "") == (w.Suffix == "") || len(name) > MaxPrefix || !printable(name):
			return bad("mix: entry %d: want a prefix or a suffix of 1 to %d printable bytes", i+1, MaxPrefix)
		case w.PerMille > one:
			return bad("mix: %d per mille, at most %d", w.PerMille, one)
		case i > 0 && compareMix(mix[i-1], w) >= 0:
			return bad("mix: suffixes, then prefixes, must be sorted and differ")
		}
	}
	return filter.check()
}

// SortMix brings a mix into the order that CheckData wants.
func SortMix(mix []MixWeight) { slices.SortFunc(mix, compareMix) }

// compareMix orders a mix: suffixes before prefixes, each by bytes.
func compareMix(a, b MixWeight) int {
	if c := strings.Compare(a.Prefix, b.Prefix); c != 0 {
		return c
	}
	return strings.Compare(a.Suffix, b.Suffix)
}
