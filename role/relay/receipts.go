package relay

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/role/vault/calls"
)

// receipts keeps every receipt that is not settled yet, on disk: one file per
// session, written to and synced before the client sees the receipt, removed
// when the session is over. A torn last record is what a crash leaves; it is
// cut off. What a full disk leaves of one is overwritten by the next.
type receipts struct {
	dir string

	mu       sync.Mutex // guards what follows
	sessions map[uint64][]calls.ReceiptArgs
	files    map[uint64]*journal
}

// A journal is the open file of a session and how many bytes of it are whole
// records.
type journal struct {
	*os.File
	size int64
}

const (
	maxRecord   = 4 << 10
	maxFile     = 256 << 20 // bytes; a session has escrow for far fewer
	maxOpen     = 128       // files
	fileSuffix  = ".receipts"
	recordBytes = 4 // length prefix
)

func openReceipts(home string) (*receipts, error) {
	s := &receipts{
		dir: filepath.Join(home, "receipts"), sessions: map[uint64][]calls.ReceiptArgs{}, files: map[uint64]*journal{},
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make receipts folder: %w", err)
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("read receipts folder: %w", err)
	}
	for _, e := range entries {
		id, err := strconv.ParseUint(strings.TrimSuffix(e.Name(), fileSuffix), 10, 64)
		if err != nil || !strings.HasSuffix(e.Name(), fileSuffix) {
			continue
		}
		if err := s.restore(id); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *receipts) path(id uint64) string {
	return filepath.Join(s.dir, strconv.FormatUint(id, 10)+fileSuffix)
}

func (s *receipts) restore(id uint64) error {
	data, err := os.ReadFile(s.path(id))
	if err != nil {
		return fmt.Errorf("read receipts of session %d: %w", id, err)
	}
	whole := 0
	for len(data)-whole >= recordBytes {
		n := int(binary.BigEndian.Uint32(data[whole:]))
		end := whole + recordBytes + n
		if n > maxRecord || end > len(data) {
			break
		}
		var r calls.ReceiptArgs
		if err := canon.Decode(data[whole+recordBytes:end], &r); err != nil {
			break
		}
		s.sessions[id] = supersede(s.sessions[id], r)
		whole = end
	}
	if whole < len(data) {
		if err := os.Truncate(s.path(id), int64(whole)); err != nil {
			return fmt.Errorf("cut torn receipt of session %d: %w", id, err)
		}
	}
	return nil
}

// supersede puts a receipt in its place: after the others, or instead of the
// provisional one of the same sequence.
func supersede(list []calls.ReceiptArgs, r calls.ReceiptArgs) []calls.ReceiptArgs {
	i, found := slices.BinarySearchFunc(list, sequence(r), func(have calls.ReceiptArgs, want uint64) int {
		return cmp.Compare(sequence(have), want)
	})
	if found {
		list[i] = r
		return list
	}
	return slices.Insert(list, i, r)
}

func sequence(r calls.ReceiptArgs) uint64 { return r.Receipt.Receipt.Sequence }

// keep makes a receipt durable.
func (s *receipts) keep(r calls.ReceiptArgs) error {
	id := r.Receipt.Receipt.Session
	raw := canon.Encode(r)
	if id == 0 || sequence(r) == 0 || len(raw) > maxRecord {
		return crescendo.Errorf(crescendo.CodeInvalid, "malformed receipt")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.file(id)
	if err != nil {
		return err
	}
	if f.size >= maxFile {
		return crescendo.Errorf(crescendo.CodeForbidden, "session %d has too many receipts", id)
	}
	if err := f.add(raw); err != nil {
		return fmt.Errorf("write receipt of session %d: %w", id, err)
	}
	s.sessions[id] = supersede(s.sessions[id], r)
	return nil
}

// add writes a record behind the last whole one.
func (j *journal) add(raw []byte) error {
	record := append(binary.BigEndian.AppendUint32(nil, uint32(len(raw))), raw...)
	_, err := j.WriteAt(record, j.size)
	if err == nil {
		err = j.Sync()
	}
	if err != nil {
		return errors.Join(err, j.Truncate(j.size))
	}
	j.size += int64(len(record))
	return nil
}

// file opens the session's file; the folder is synced when it is new. The
// caller holds s.mu.
func (s *receipts) file(id uint64) (*journal, error) {
	if j, ok := s.files[id]; ok {
		return j, nil
	}
	f, err := os.OpenFile(s.path(id), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open receipts of session %d: %w", id, err)
	}
	info, err := f.Stat()
	if err == nil {
		err = s.syncFolder()
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open receipts of session %d: %w", id, err)
	}
	if len(s.files) >= maxOpen {
		for _, j := range s.files {
			j.Close()
		}
		clear(s.files)
	}
	s.files[id] = &journal{f, info.Size()}
	return s.files[id], nil
}

func (s *receipts) syncFolder() error {
	dir, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// open lists the sessions that have receipts, in order.
func (s *receipts) open() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]uint64, 0, len(s.sessions))
	for id := range s.sessions {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// after returns up to limit receipts of a session that follow the settled one, and
// forgets the others, which only the file still has. A provisional receipt is among
// them only if the vault that would have superseded it has ended.
func (s *receipts) after(id, settled uint64, limit int, ended bool) []inference.SignedReceipt {
	s.mu.Lock()
	defer s.mu.Unlock()
	if list, ok := s.sessions[id]; ok {
		s.sessions[id] = slices.DeleteFunc(list, func(r calls.ReceiptArgs) bool { return sequence(r) <= settled })
	}
	var out []inference.SignedReceipt
	for _, r := range s.sessions[id] {
		if len(out) < limit && (ended || !r.Provisional) {
			out = append(out, r.Receipt)
		}
	}
	return out
}

// forget removes what a closed session left.
func (s *receipts) forget(id uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, id)
	if f, ok := s.files[id]; ok {
		f.Close()
		delete(s.files, id)
	}
	if err := os.Remove(s.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove receipts of session %d: %w", id, err)
	}
	return nil
}
