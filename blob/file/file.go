// Package file keeps blobs in a directory: one file per object, sharded by
// the first byte of its name (ab/cdef...). An object appears under its name
// complete or not at all, and once Put has returned it survives a power cut:
// temporary file, fsync, rename, fsync of the folder.
//
// Several stores, also of several processes, may share a directory. The
// package sets no quota and removes nothing on its own but its own abandoned
// temporary files.
package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
)

// staleAfter is the age at which a temporary file counts as left by a crash.
// No Put of an object within the size limit takes as long.
const staleAfter = time.Hour

// tempDir holds unfinished objects; the name cannot be that of a shard.
const tempDir = "tmp"

// Options configure a Store. The zero value is usable.
type Options struct {
	// MaxBytes bounds one object; zero means blob.DefaultMaxBytes.
	MaxBytes int64
}

// Store is a blob.Store in a directory.
type Store struct {
	dir      string
	maxBytes int64
	// createTemp makes the temporary file of a Put; tests put a full device here.
	createTemp func(dir string) (*os.File, error)
}

var (
	_ blob.Store  = (*Store)(nil)
	_ blob.Opener = (*Store)(nil)
)

// Open returns the store in dir, creating it if need be.
func Open(dir string, o Options) (*Store, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = blob.DefaultMaxBytes
	}
	s := &Store{dir: dir, maxBytes: o.MaxBytes, createTemp: func(dir string) (*os.File, error) {
		return os.CreateTemp(dir, "put-*")
	}}
	if err := os.MkdirAll(filepath.Join(dir, tempDir), 0o755); err != nil {
		return nil, fmt.Errorf("open blob store %s: %w", dir, typed(err))
	}
	if err := syncDir(dir); err != nil {
		return nil, fmt.Errorf("open blob store %s: %w", dir, err)
	}
	s.removeStale()
	return s, nil
}

// Dir returns the directory of the store.
func (s *Store) Dir() string { return s.dir }

// Path returns the file that holds, or would hold, the object.
func (s *Store) Path(h crescendo.Hash) string {
	name := h.String()
	return filepath.Join(s.dir, name[:2], name[2:])
}

// Put implements blob.Store.
func (s *Store) Put(ctx context.Context, data []byte) (crescendo.Hash, error) {
	h := blob.Sum(data)
	if err := ctx.Err(); err != nil {
		return crescendo.Hash{}, fmt.Errorf("put blob %s: %w", h, err)
	}
	if err := blob.CheckSize(h, int64(len(data)), s.maxBytes); err != nil {
		return crescendo.Hash{}, err
	}
	if err := s.put(h, data); err != nil {
		return crescendo.Hash{}, fmt.Errorf("put blob %s: %w", h, typed(err))
	}
	return h, nil
}

func (s *Store) put(h crescendo.Hash, data []byte) error {
	path := s.Path(h)
	shard := filepath.Dir(path)
	if s.holds(path, data) {
		return syncDir(shard) // whoever renamed it may not have got this far
	}
	if err := os.Mkdir(shard, 0o755); err == nil {
		if err := syncDir(s.dir); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	temp, err := s.writeTemp(data)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return err
	}
	return syncDir(shard)
}

// holds reports whether path has exactly these bytes. A damaged or unreadable
// file counts as absent, so that Put replaces it.
func (s *Store) holds(path string, data []byte) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(data)) {
		return false
	}
	have, err := os.ReadFile(path)
	return err == nil && bytes.Equal(have, data)
}

func (s *Store) writeTemp(data []byte) (string, error) {
	f, err := s.createTemp(filepath.Join(s.dir, tempDir))
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o444)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// Open implements blob.Opener.
func (s *Store) Open(ctx context.Context, h crescendo.Hash) (io.ReadSeekCloser, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, fmt.Errorf("open blob %s: %w", h, err)
	}
	f, err := os.Open(s.Path(h))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("open blob %s: %w", h, blob.ErrNotFound)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open blob %s: %w", h, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", f.Name())
	}
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("open blob %s: %w", h, err)
	}
	return f, info.Size(), nil
}

// Get implements blob.Store.
func (s *Store) Get(ctx context.Context, h crescendo.Hash, max int64) ([]byte, error) {
	if max <= 0 || max > s.maxBytes {
		max = s.maxBytes
	}
	f, size, err := s.Open(ctx, h)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := blob.CheckSize(h, size, max); err != nil {
		return nil, err
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("read blob %s: %w", h, err)
	}
	if err := blob.Verify(h, data); err != nil {
		return nil, fmt.Errorf("read %s: %w", s.Path(h), err)
	}
	return data, nil
}

// Has implements blob.Store.
func (s *Store) Has(ctx context.Context, h crescendo.Hash) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("look for blob %s: %w", h, err)
	}
	info, err := os.Stat(s.Path(h))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for blob %s: %w", h, err)
	}
	return info.Mode().IsRegular(), nil
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, h crescendo.Hash) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete blob %s: %w", h, err)
	}
	err := os.Remove(s.Path(h))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(filepath.Dir(s.Path(h)))
	}
	if err != nil {
		return fmt.Errorf("delete blob %s: %w", h, err)
	}
	return nil
}

// List implements blob.Store.
func (s *Store) List(ctx context.Context) iter.Seq2[crescendo.Hash, error] {
	return func(yield func(crescendo.Hash, error) bool) {
		for b := range 256 {
			shard := fmt.Sprintf("%02x", b)
			if err := ctx.Err(); err != nil {
				yield(crescendo.Hash{}, fmt.Errorf("list blobs: %w", err))
				return
			}
			names, err := namesIn(filepath.Join(s.dir, shard), shard)
			if err != nil {
				yield(crescendo.Hash{}, fmt.Errorf("list blobs: %w", err))
				return
			}
			for _, h := range names {
				if !yield(h, nil) {
					return
				}
			}
		}
	}
}

// namesIn returns the objects of one shard in order; foreign files are not
// the store's and are passed over.
func namesIn(dir, shard string) ([]crescendo.Hash, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []crescendo.Hash
	for _, e := range entries {
		h, err := crescendo.ParseHash(shard + e.Name())
		if err == nil && e.Type().IsRegular() && strings.HasSuffix(h.String(), e.Name()) {
			names = append(names, h)
		}
	}
	slices.SortFunc(names, blob.Compare)
	return names, nil
}

func (s *Store) removeStale() {
	entries, err := os.ReadDir(filepath.Join(s.dir, tempDir))
	if err != nil {
		return // the store works without this
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && time.Since(info.ModTime()) > staleAfter {
			os.Remove(filepath.Join(s.dir, tempDir, e.Name()))
		}
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// typed turns the ways a file system says "no room" into blob.ErrDiskFull.
func typed(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", blob.ErrDiskFull, err)
	}
	return err
}
