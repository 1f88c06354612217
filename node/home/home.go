// Package home lays out the directory in which one machine's part of a
// programme lives: its keys, its processes' data, their logs, and run.json,
// which says what runs where. A home has one owner at a time. The package
// knows paths and files only, not what runs.
package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/crescendo-network/crescendo"
	"golang.org/x/sys/unix"
)

// Home is such a directory.
type Home struct{ Dir string }

// Default is the home that commands use unless told otherwise: $CRESCENDO_HOME,
// or .crescendo in the user's home directory.
func Default() string {
	if dir := os.Getenv("CRESCENDO_HOME"); dir != "" {
		return dir
	}
	dir, err := os.UserHomeDir()
	if err != nil {
		return ".crescendo"
	}
	return filepath.Join(dir, ".crescendo")
}

// Open makes the directory if it is not there and returns the home.
func Open(dir string) (Home, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Home{}, fmt.Errorf("open home %s: %w", dir, err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return Home{}, crescendo.Errorf(crescendo.CodeInvalid, "open home %s: %v", dir, err).
			WithHint("choose a directory you may write to with --home")
	}
	return Home{abs}, nil
}

// Path joins elements below the home.
func (h Home) Path(elem ...string) string {
	return filepath.Join(append([]string{h.Dir}, elem...)...)
}

// Key is the path of the key file of that name.
func (h Home) Key(name string) string { return h.Path("keys", name+".key") }

// Log is the path of the log of a process.
func (h Home) Log(process string) string { return h.Path("logs", process+".log") }

// Lock is the ownership of a home. The kernel gives it back when the process
// ends, however it ends.
type Lock struct{ file *os.File }

// Lock makes the calling process the owner of the home.
func (h Home) Lock() (*Lock, error) {
	f, err := os.OpenFile(h.Path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock home: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		owner, _ := os.ReadFile(h.Path("lock"))
		f.Close()
		return nil, crescendo.Errorf(crescendo.CodeWrongTime, "home %s is in use by process %s", h.Dir, owner).
			WithHint("stop that process first, or give another directory with --home")
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock home %s: %w", h.Dir, err)
	}
	if err := f.Truncate(0); err == nil {
		fmt.Fprintf(f, "%d", os.Getpid())
	}
	return &Lock{f}, nil
}

// Release gives the home back.
func (l *Lock) Release() { l.file.Close() }

// WriteJSON replaces a file below the home in one step: a reader, or a crash,
// sees the old content or the new.
func (h Home) WriteJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return h.WriteFile(name, append(data, '\n'), 0o600)
}

// WriteFile is WriteJSON for bytes; they are on the disk when it returns.
func (h Home) WriteFile(name string, data []byte, mode os.FileMode) error {
	path := h.Path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// ReadJSON reads a file that WriteJSON wrote. A missing file is os.ErrNotExist.
func (h Home) ReadJSON(name string, v any) error {
	data, err := os.ReadFile(h.Path(name))
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("read %s: %w", h.Path(name), err)
	}
	return nil
}
