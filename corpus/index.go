package corpus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
)

// The layout of an index, little-endian throughout; docs/formats/corpus.md is
// the specification.
//
//	 0  magic "CRSINDEX"
//	 8  version    uint16
//	10  split      uint8: 0 train, 1 held out
//	11  zero
//	12  documents  uint32
//	16  paths      uint32
//	20  zero       uint32
//	24  tokens     uint64: of the split
//	32  documents, 48 bytes each: hash, first token uint64, bytes uint32, path uint32
//	    paths, each uint16 length and UTF-8
const (
	indexMagic    = "CRSINDEX"
	indexVersion  = 1
	indexHeader   = 32
	indexDocument = 48
)

// Bounds of an index, for those who read one from a stranger.
const (
	MaxPath      = 256 // bytes
	maxDocuments = 1 << 22
)

// Document is one text of a split, as its index knows it.
type Document struct {
	Path  string // as the source has it, with slashes; pieces of one file share it
	Hash  crescendo.Hash
	Bytes int   // of text
	First int64 // its separator, among the tokens of the split
}

// Index says which document each token of a split belongs to. Documents are
// in order of their hashes, and lie in the split in that order.
type Index struct {
	Split     Split
	Tokens    int64 // of the split: where the last document ends
	Documents []Document
}

// End returns the token after the last one of document i.
func (x *Index) End(i int) int64 {
	if i+1 < len(x.Documents) {
		return x.Documents[i+1].First
	}
	return x.Tokens
}

// At returns the document that a token of the split belongs to; -1 if there is
// no such token.
func (x *Index) At(token int64) int {
	if token < 0 || token >= x.Tokens {
		return -1
	}
	return sort.Search(len(x.Documents), func(i int) bool { return x.Documents[i].First > token }) - 1
}

// Find returns the document with a hash; -1 if there is none.
func (x *Index) Find(h crescendo.Hash) int {
	i, ok := slices.BinarySearchFunc(x.Documents, h, func(d Document, h crescendo.Hash) int { return blob.Compare(d.Hash, h) })
	if !ok {
		return -1
	}
	return i
}

// bytes sums the text of all documents.
func (x *Index) bytes() (sum int64) {
	for _, d := range x.Documents {
		sum += int64(d.Bytes)
	}
	return sum
}

// Encode returns the bytes of the index's blob.
func (x *Index) Encode() []byte {
	paths := make([]string, len(x.Documents))
	for i, d := range x.Documents {
		paths[i] = d.Path
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	number := make(map[string]uint32, len(paths))
	for i, p := range paths {
		number[p] = uint32(i)
	}
	b := make([]byte, indexHeader, indexHeader+len(x.Documents)*indexDocument)
	copy(b, indexMagic)
	binary.LittleEndian.PutUint16(b[8:], indexVersion)
	b[10] = byte(x.Split)
	binary.LittleEndian.PutUint32(b[12:], uint32(len(x.Documents)))
	binary.LittleEndian.PutUint32(b[16:], uint32(len(paths)))
	binary.LittleEndian.PutUint64(b[24:], uint64(x.Tokens))
	for _, d := range x.Documents {
		b = append(b, d.Hash[:]...)
		b = binary.LittleEndian.AppendUint64(b, uint64(d.First))
		b = binary.LittleEndian.AppendUint32(b, uint32(d.Bytes))
		b = binary.LittleEndian.AppendUint32(b, number[d.Path])
	}
	for _, p := range paths {
		b = append(binary.LittleEndian.AppendUint16(b, uint16(len(p))), p...)
	}
	return b
}

// DecodeIndex reads what Encode wrote and refuses everything else.
func DecodeIndex(b []byte) (*Index, error) {
	x, err := decodeIndex(b)
	if err != nil {
		return nil, fmt.Errorf("decode index: %w", err)
	}
	return x, nil
}

func decodeIndex(b []byte) (*Index, error) {
	if len(b) < indexHeader || string(b[:8]) != indexMagic {
		return nil, fmt.Errorf("not an index")
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != indexVersion {
		return nil, fmt.Errorf("version %d, this program reads %d", v, indexVersion)
	}
	if b[10] > byte(HeldOut) || b[11] != 0 || binary.LittleEndian.Uint32(b[20:]) != 0 {
		return nil, fmt.Errorf("unknown split or non-zero padding")
	}
	documents, paths := binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint32(b[16:])
	tokens := binary.LittleEndian.Uint64(b[24:])
	if documents > maxDocuments || paths > documents || tokens > maxShards*MaxShardTokens ||
		len(b) < indexHeader+int(documents)*indexDocument+2*int(paths) {
		return nil, fmt.Errorf("%d bytes for %d documents under %d paths, %d tokens", len(b), documents, paths, tokens)
	}
	x := &Index{Split: Split(b[10]), Tokens: int64(tokens), Documents: make([]Document, documents)}
	rows := b[indexHeader:]
	names, err := decodePaths(rows[int(documents)*indexDocument:], int(paths))
	if err != nil {
		return nil, err
	}
	used := make([]bool, paths)
	for i := range x.Documents {
		row := rows[i*indexDocument:]
		path := binary.LittleEndian.Uint32(row[44:])
		if path >= paths {
			return nil, fmt.Errorf("document %d: path %d of %d", i, path, paths)
		}
		used[path] = true
		x.Documents[i] = Document{
			Path: names[path], Hash: crescendo.Hash(row[:32]),
			First: int64(binary.LittleEndian.Uint64(row[32:])), Bytes: int(binary.LittleEndian.Uint32(row[40:])),
		}
	}
	if slices.Contains(used, false) {
		return nil, fmt.Errorf("a path that no document has")
	}
	return x, x.check()
}

func decodePaths(b []byte, n int) ([]string, error) {
	names := make([]string, n)
	for i := range names {
		if len(b) < 2 {
			return nil, fmt.Errorf("path %d is cut off", i)
		}
		size := int(binary.LittleEndian.Uint16(b))
		if b = b[2:]; len(b) < size {
			return nil, fmt.Errorf("path %d is cut off", i)
		}
		names[i], b = string(b[:size]), b[size:]
		if names[i] != cleanPath(names[i]) || names[i] == "" {
			return nil, fmt.Errorf("path %d is not 1 to %d bytes of UTF-8", i, MaxPath)
		}
		if i > 0 && names[i-1] >= names[i] {
			return nil, fmt.Errorf("paths are not in order")
		}
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("%d bytes after the last path", len(b))
	}
	return names, nil
}

// check refuses documents that overlap, are out of order or out of bounds.
func (x *Index) check() error {
	if len(x.Documents) == 0 && x.Tokens != 0 {
		return fmt.Errorf("%d tokens of no document", x.Tokens)
	}
	for i, d := range x.Documents {
		switch {
		case i == 0 && d.First != 0:
			return fmt.Errorf("the first document begins at token %d", d.First)
		case d.First < 0 || d.First >= x.Tokens || x.End(i) < d.First+2: // a separator and some text
			return fmt.Errorf("document %d: tokens %d to %d of %d", i, d.First, x.End(i), x.Tokens)
		case i > 0 && blob.Compare(x.Documents[i-1].Hash, d.Hash) >= 0:
			return fmt.Errorf("document %d: hashes are not in order", i)
		case d.Bytes < 1 || d.Bytes > maxDocument:
			return fmt.Errorf("document %d: %d bytes", i, d.Bytes)
		}
	}
	return nil
}

// cleanPath makes a name fit for an index: UTF-8 of at most MaxPath bytes.
func cleanPath(name string) string {
	name = strings.ToValidUTF8(name, "?")
	if len(name) <= MaxPath {
		return name
	}
	cut := MaxPath
	for !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut]
}

// Index returns the documents of a split, which must not be changed.
func (r *Reader) Index(ctx context.Context, s Split) (*Index, error) {
	r.indexing.Lock()
	defer r.indexing.Unlock()
	if x := r.indexes[s]; x != nil {
		return x, nil
	}
	part := r.manifest.Part(s)
	data, err := r.fetch(ctx, part.Index, int64(indexHeader)+int64(part.Documents)*(indexDocument+2+MaxPath))
	if err != nil {
		return nil, fmt.Errorf("read corpus %s, %s index: %w", r.hash, s, err)
	}
	x, err := DecodeIndex(data)
	if err == nil && (x.Split != s || len(x.Documents) != part.Documents || x.Tokens != part.Tokens || x.bytes() != part.Bytes) {
		err = errors.New("it is not the one the manifest describes")
	}
	if err != nil {
		return nil, fmt.Errorf("read corpus %s, %s index: %w: %w", r.hash, s, ErrBroken, err)
	}
	r.indexes[s] = x
	return x, nil
}

// Tokens appends the tokens from first up to end of a split to dst.
func (r *Reader) Tokens(ctx context.Context, dst []int32, s Split, first, end int64) ([]int32, error) {
	if first < 0 || end < first || end > r.manifest.Part(s).Tokens {
		return dst, fmt.Errorf("read corpus %s: tokens %d to %d of %s: no such tokens", r.hash, first, end, s)
	}
	var begin int64 // of the shard
	for i, shard := range r.manifest.Part(s).Shards {
		if begin >= end {
			break
		}
		next := begin + int64(shard.Tokens)
		if next > first {
			tokens, err := r.tokens(ctx, shardKey{s, i})
			if err != nil {
				return dst, err
			}
			for _, t := range tokens[max(first, begin)-begin : min(end, next)-begin] {
				dst = append(dst, int32(t))
			}
		}
		begin = next
	}
	return dst, nil
}

// Text returns the text of document i of a split, checked against its hash.
func (r *Reader) Text(ctx context.Context, s Split, i int) ([]byte, error) {
	x, err := r.Index(ctx, s)
	if err != nil {
		return nil, err
	}
	if i < 0 || i >= len(x.Documents) {
		return nil, fmt.Errorf("read corpus %s: document %d of %d in %s: no such document", r.hash, i, len(x.Documents), s)
	}
	d := x.Documents[i]
	ids, err := r.Tokens(ctx, nil, s, d.First, x.End(i))
	if err != nil {
		return nil, err
	}
	text := r.tok.Decode(ids)
	if ids[0] != r.tok.Separator() || slices.Contains(ids[1:], r.tok.Separator()) || len(text) != d.Bytes || blob.Sum(text) != d.Hash {
		return nil, fmt.Errorf("read corpus %s, %s document %d (%s): %w: the tokens spell another text", r.hash, s, i, d.Path, ErrBroken)
	}
	return text, nil
}

// VerifyTexts reads every document of a split and compares its hash with the
// index: mixes and what is held out hang on it.
func (r *Reader) VerifyTexts(ctx context.Context, s Split) error {
	x, err := r.Index(ctx, s)
	if err != nil {
		return err
	}
	for i := range x.Documents {
		if _, err := r.Text(ctx, s, i); err != nil {
			return err
		}
	}
	return nil
}
