package machine

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Self names this process's own program.
const Self = "/proc/self/exe"

// Build tells which build a program is: the version of Go, and the end of its
// build identifier, which differs when a byte of the code does.
func Build(path string) (string, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read build of %s: %w", path, err)
	}
	f, err := elf.Open(path)
	if err != nil {
		return "", fmt.Errorf("read build of %s: %w", path, err)
	}
	defer f.Close()
	s := f.Section(".note.go.buildid")
	if s == nil || s.Size > 4096 {
		return info.GoVersion, nil
	}
	note, err := s.Data()
	if err != nil || len(note) < 16 {
		return info.GoVersion, nil
	}
	id := strings.TrimRight(string(note[16:]), "\x00") // after sizes, type and "Go\0\0"
	if i := strings.LastIndexByte(id, '/'); i >= 0 {
		id = id[i+1:]
	}
	return fmt.Sprintf("build %s, %s", hex.EncodeToString([]byte(id[:min(4, len(id))])), info.GoVersion), nil
}

// Program is the path of a process's program as the kernel knows it.
func Program(pid int) string { return fmt.Sprintf("/proc/%d/exe", pid) }

// Usage is what a process is using, and since when it runs.
type Usage struct {
	Started time.Time
	Memory  uint64 // bytes, resident
}

// UsageOf tells what a process uses.
func UsageOf(pid int) (Usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	// The name before ")" may hold spaces. Of the fields after it, the 20th is
	// the start in hundredths of a second after the machine's, the 22nd the
	// resident pages.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 22 {
		return Usage{}, fmt.Errorf("look at process %d: its state has %d fields", pid, len(fields))
	}
	ticks, err1 := strconv.ParseInt(fields[19], 10, 64)
	pages, err2 := strconv.ParseUint(fields[21], 10, 64)
	boot, err3 := bootTime()
	if err := errors.Join(err1, err2, err3); err != nil {
		return Usage{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	return Usage{boot.Add(time.Duration(ticks) * 10 * time.Millisecond), pages * uint64(os.Getpagesize())}, nil
}

// bootTime is when the machine started.
func bootTime() (time.Time, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "btime "); ok {
			seconds, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			return time.Unix(seconds, 0), err
		}
	}
	return time.Time{}, errors.New("/proc/stat does not say when the machine started")
}
