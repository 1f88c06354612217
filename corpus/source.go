package corpus

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
)

// Bounds of what is read from disk.
const (
	maxSourceFile   = 200 << 10 // of the Go tree; larger files are tables
	maxTextFile     = 256 << 20
	maxJSONLine     = 16 << 20
	maxLicence      = 256 << 10
	maxDocument     = 32 << 10 // longer texts are cut, at line ends where possible
	maxFiles        = 1 << 20
	generatedWithin = 8 << 10 // of a file's beginning
)

// ErrUnusable means the documents asked for cannot be read or are too few; the
// hint says what to do.
var ErrUnusable = errors.New("corpus unusable")

func unusable(hint, format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrUnusable, crescendo.Errorf(crescendo.CodeInvalid, format, args...).WithHint(hint))
}

// Source says where documents come from.
type Source struct {
	Description string // for people; must not depend on the machine
	SPDX        string // licence identifier; empty stands for NOASSERTION
	root        string
	goTree      bool
}

// Directory returns the documents below path: text, Markdown and source files,
// and .jsonl files, each of whose lines has a "text". A single file will do.
func Directory(path string) Source {
	return Source{Description: "documents of the organiser", root: path}
}

// document is one text, its name, and the path of the file it comes from.
type document struct {
	hash crescendo.Hash
	text []byte
	path string
}

// textEndings are the files a Directory reads.
var textEndings = []string{
	".txt", ".text", ".md", ".markdown", ".rst", ".org", ".tex", ".html",
	".go", ".py", ".c", ".h", ".cc", ".cpp", ".hpp", ".rs", ".zig", ".swift", ".java", ".kt", ".scala", ".cs",
	".js", ".ts", ".rb", ".lua", ".sh", ".sql", ".hs", ".ml", ".jl", ".r", ".s",
	".jsonl", ".ndjson",
}

const readableHint = "give --corpus a directory of UTF-8 text, Markdown, source or .jsonl files (each line {\"text\": ...}), or leave it out to use the Go source tree"

// file is a candidate: its path from the root, with slashes, and size.
type file struct {
	name string
	size int64
}

// files lists the candidates in order of name.
func (s Source) files(ctx context.Context) ([]file, error) {
	info, err := os.Stat(s.root)
	if err != nil {
		return nil, unusable(readableHint, "read corpus: %v", err)
	}
	if info.Mode().IsRegular() {
		return []file{{name: ".", size: info.Size()}}, nil
	}
	root, err := filepath.EvalSymlinks(s.root)
	if err != nil {
		return nil, unusable(readableHint, "read corpus: %v", err)
	}
	var found []file
	walk := func(dir, prefix string) error {
		return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			name := filepath.ToSlash(filepath.Join(prefix, rel))
			if entry.IsDir() {
				if name != "." && !s.wantDir(name) {
					return filepath.SkipDir
				}
				return nil
			}
			if !s.wantFile(name) {
				return nil
			}
			info, err := os.Stat(path) // follows links to files
			if err != nil || !info.Mode().IsRegular() {
				return err
			}
			if found = append(found, file{name, info.Size()}); len(found) > maxFiles {
				return fmt.Errorf("more than %d files", maxFiles)
			}
			return nil
		})
	}
	if s.goTree {
		err = s.walkGoTree(root, walk)
	} else {
		err = walk(root, "")
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("read corpus: %w", ctx.Err())
	}
	if err != nil {
		return nil, unusable(readableHint, "read corpus: %v", err)
	}
	slices.SortFunc(found, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return found, nil
}

func (s Source) wantDir(name string) bool {
	base := name[strings.LastIndexByte(name, '/')+1:]
	if strings.HasPrefix(base, ".") || base == "node_modules" {
		return false
	}
	return !s.goTree || base != "testdata" && base != "vendor"
}

func (s Source) wantFile(name string) bool {
	base := name[strings.LastIndexByte(name, '/')+1:]
	if strings.HasPrefix(base, ".") {
		return false
	}
	if s.goTree {
		return wantGoFile(name)
	}
	return slices.Contains(textEndings, strings.ToLower(filepath.Ext(base)))
}

// read returns the texts of one file; none if it is not for a corpus. Of a
// .jsonl file it reads little more than budget bytes of text.
func (s Source) read(f file, budget int64) ([][]byte, error) {
	path := filepath.Join(s.root, filepath.FromSlash(f.name))
	if s.goTree && f.size > maxSourceFile {
		return nil, nil
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".jsonl", ".ndjson":
		return readJSONLines(path, f.name, budget)
	}
	if f.size > maxTextFile {
		return nil, unusable("split the file, or turn it into .jsonl with one document a line", "read corpus: %s has %d bytes, limit %d", f.name, f.size, maxTextFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, unusable(readableHint, "read corpus: %v", err)
	}
	if generated(text) || s.goTree && tabular(text) {
		return nil, nil
	}
	return [][]byte{text}, nil
}

// generated reports whether a file says that a program wrote it.
func generated(text []byte) bool {
	for line := range bytes.Lines(text[:min(len(text), generatedWithin)]) {
		if bytes.HasPrefix(line, []byte("// Code generated ")) {
			return true
		}
	}
	return false
}

// tabular reports whether a source file is mostly numbers or encoded data,
// such as tables of primes and certificates: one of them among the held-out
// documents would outweigh the language in all others. Languages that are
// written without spaces are not asked about.
func tabular(text []byte) bool {
	digits, blanks := 0, 0
	for _, b := range text {
		switch {
		case b >= '0' && b <= '9':
			digits++
		case b == ' ' || b == '\t' || b == '\n':
			blanks++
		}
	}
	return digits > len(text)/8 || blanks < len(text)/12
}

func readJSONLines(path, name string, budget int64) ([][]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unusable(readableHint, "read corpus: %v", err)
	}
	defer f.Close()
	var texts [][]byte
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxJSONLine)
	n := 0
	for budget >= 0 && lines.Scan() {
		n++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var doc struct {
			Text *string `json:"text"`
		}
		if err := json.Unmarshal(lines.Bytes(), &doc); err != nil || doc.Text == nil {
			return nil, unusable("each line must be a JSON object with a \"text\" string", "read corpus: %s, line %d: no text", name, n)
		}
		texts = append(texts, []byte(*doc.Text))
		budget -= int64(len(*doc.Text))
	}
	if err := lines.Err(); err != nil {
		return nil, unusable(readableHint, "read corpus: %s, line %d: %v", name, n+1, err)
	}
	return texts, nil
}

// pieces cuts a text that is too long for one document, after line ends where
// there are any.
func pieces(text []byte) [][]byte {
	var out [][]byte
	for len(text) > maxDocument {
		cut := bytes.LastIndexByte(text[:maxDocument], '\n') + 1
		if cut < maxDocument/2 {
			cut = maxDocument
			for !utf8.RuneStart(text[cut]) {
				cut--
			}
		}
		out, text = append(out, text[:cut]), text[cut:]
	}
	return append(out, text)
}

// usable reports whether a text may enter the corpus: it says something, in
// UTF-8.
func usable(text []byte) bool {
	return len(bytes.TrimSpace(text)) > 0 && utf8.Valid(text) && bytes.IndexByte(text, 0) < 0
}

// licence returns the licence text found beside the documents.
func (s Source) licence() ([]byte, error) {
	for _, name := range []string{"LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "COPYING"} {
		text, err := os.ReadFile(filepath.Join(s.root, name))
		if err == nil && len(text) <= maxLicence {
			return text, nil
		}
	}
	if s.goTree {
		return goLicence, nil
	}
	return []byte("No licence text was found beside the documents.\n"), nil
}

// documents reads the source: exact duplicates once, in order of their hashes,
// at most maxBytes of text. When that is less than there is, a seed decides
// which files are taken.
func (s Source) documents(ctx context.Context, maxBytes int64, seed uint64, progress func(done, total int)) ([]document, error) {
	files, err := s.files(ctx)
	if err != nil {
		return nil, err
	}
	var total int64
	for _, f := range files {
		total += f.size
	}
	if total > maxBytes {
		shuffle(files, seed)
	}
	limit := min(total, maxBytes)
	var docs []document
	var size int64
	seen := map[crescendo.Hash]bool{}
	for i, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("read corpus: %w", err)
		}
		texts, err := s.read(f, maxBytes-size)
		if err != nil {
			return nil, err
		}
		for _, text := range texts {
			for _, piece := range pieces(text) {
				h := blob.Sum(piece)
				if seen[h] || !usable(piece) {
					continue
				}
				if size += int64(len(piece)); size > maxBytes {
					return sortDocuments(docs), nil
				}
				seen[h] = true
				docs = append(docs, document{h, piece, s.path(f)})
			}
		}
		if i%64 == 0 {
			progress(int(size), int(limit))
		}
	}
	if len(docs) == 0 {
		return nil, unusable(readableHint, "read corpus: no usable text among %d files in %s", len(files), s.root)
	}
	return sortDocuments(docs), nil
}

// path is what an index calls the documents of a file.
func (s Source) path(f file) string {
	if f.name == "." { // the source is one file
		return cleanPath(filepath.Base(s.root))
	}
	return cleanPath(f.name)
}

func sortDocuments(docs []document) []document {

	slices.SortFunc(docs, func(a, b document) int { return blob.Compare(a.hash, b.hash) })
	return docs
}
