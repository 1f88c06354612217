package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/crescendo-network/crescendo"
)

// lineLength is that of "<64 hexadecimal digits>\n"; line n is block n.
const lineLength = 2*len(crescendo.Hash{}) + 1

// index is the list of archived blocks: an append-only file whose n-th line
// names the blob of block n.
type index struct {
	mu    sync.RWMutex
	file  *os.File
	names []crescendo.Hash // names[i] is block i+1; guarded by mu
}

// openIndex reads the file; a line that a crash cut short is dropped.
func openIndex(path string) (*index, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open block index: %w", err)
	}
	x := &index{file: f}
	if err := x.load(); err != nil {
		f.Close()
		return nil, fmt.Errorf("open block index %s: %w", path, err)
	}
	return x, nil
}

func (x *index) load() error {
	r := bufio.NewReader(x.file)
	for {
		var line [lineLength]byte
		_, err := io.ReadFull(r, line[:])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return err
		}
		name, err := crescendo.ParseHash(string(line[:lineLength-1]))
		if err != nil || line[lineLength-1] != '\n' {
			return fmt.Errorf("line %d is damaged", len(x.names)+1)
		}
		x.names = append(x.names, name)
	}
	whole := int64(len(x.names) * lineLength)
	if err := x.file.Truncate(whole); err != nil {
		return err
	}
	_, err := x.file.Seek(whole, io.SeekStart)
	return err
}

func (x *index) add(height crescendo.Height, name crescendo.Hash) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if height != crescendo.Height(len(x.names)+1) {
		return fmt.Errorf("index block %d: the next one is %d", height, len(x.names)+1)
	}
	// Not synced: after a power cut the missing blocks are copied again.
	if _, err := fmt.Fprintf(x.file, "%s\n", name); err != nil {
		return fmt.Errorf("index block %d: %w", height, err)
	}
	x.names = append(x.names, name)
	return nil
}

func (x *index) last() crescendo.Height {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return crescendo.Height(len(x.names))
}

func (x *index) page(from crescendo.Height, limit int) []crescendo.Hash {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if from > crescendo.Height(len(x.names)) {
		return []crescendo.Hash{}
	}
	rest := x.names[from-1:]
	return append([]crescendo.Hash{}, rest[:min(limit, len(rest))]...)
}

func (x *index) close() error { return x.file.Close() }
