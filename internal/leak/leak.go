// Package leak searches files and the memory of processes for secrets that
// must not stand there: windows of sealed weights, prompts, keys. Tests use it
// against running programmes.
//
// It finds what it is given, byte by byte. A secret that somebody has
// compressed, encrypted or cut into smaller pieces it does not find.
package leak

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MinNeedle is the least size of a needle: shorter ones turn up by chance.
const MinNeedle = 8

// maxNeedle bounds a needle; parts of memory are read with that much overlap.
const maxNeedle = 256

// Found tells, for each needle that was found, in which places.
type Found map[string][]string

func (f Found) add(needle, place string) {
	if !slices.Contains(f[needle], place) {
		f[needle] = append(f[needle], place)
	}
}

// Places returns all places in which any needle with the prefix was found.
func (f Found) Places(prefix string) []string {
	var all []string
	for name, places := range f {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		for _, p := range places {
			if !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	slices.Sort(all)
	return all
}

// Search is what is looked for.
type Search struct {
	Found   Found
	names   []string
	needles [][]byte
	first   []bool // by the first two bytes: some needle begins so
	begins  map[uint32][]int
}

// NewSearch looks for the needles, each of which has a name.
func NewSearch(needles map[string][]byte) (*Search, error) {
	s := &Search{Found: Found{}, first: make([]bool, 1<<16), begins: map[uint32][]int{}}
	for name, needle := range needles {
		if len(needle) < MinNeedle || len(needle) > maxNeedle {
			return nil, fmt.Errorf("needle %s of %d bytes, want %d to %d", name, len(needle), MinNeedle, maxNeedle)
		}
		head := beginning(needle)
		s.first[head&0xffff] = true
		s.begins[head] = append(s.begins[head], len(s.needles))
		s.names, s.needles = append(s.names, name), append(s.needles, needle)
	}
	return s, nil
}

func beginning(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// Bytes searches data, which stands in the named place.
func (s *Search) Bytes(place string, data []byte) {
	for i := 0; i+MinNeedle <= len(data); i++ {
		if !s.first[uint16(data[i])|uint16(data[i+1])<<8] {
			continue
		}
		for _, n := range s.begins[beginning(data[i:])] {
			if bytes.HasPrefix(data[i:], s.needles[n]) {
				s.Found.add(s.names[n], place)
			}
		}
	}
}

const part = 4 << 20

// Reader searches everything that r reads.
func (s *Search) Reader(place string, r io.Reader) error {
	buf := make([]byte, part+maxNeedle)
	kept := 0
	for {
		n, err := io.ReadFull(r, buf[kept:])
		s.Bytes(place, buf[:kept+n])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("search %s: %w", place, err)
		}
		kept = copy(buf, buf[len(buf)-maxNeedle:])
	}
}

// Files searches all regular files below a directory. What goes away while it
// is searched is passed over.
func (s *Search) Files(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer f.Close()
		return s.Reader(path, f)
	})
}

// Process searches the writable memory of a process and returns how many bytes
// it has read. It needs the right to trace the process.
func (s *Search) Process(place string, pid int) (int64, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, fmt.Errorf("search process %d: %w", pid, err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return 0, fmt.Errorf("search process %d: %w", pid, err)
	}
	defer mem.Close()
	buf := make([]byte, part+maxNeedle)
	read := int64(0)
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var flags string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &flags); err != nil || !strings.HasPrefix(flags, "rw") {
			continue
		}
		for at := from; at < to; at += part {
			n, _ := mem.ReadAt(buf[:min(uint64(len(buf)), to-at)], int64(at)) // holes read short
			s.Bytes(place, buf[:n])
			read += int64(min(n, part))
		}
	}
	if read == 0 {
		return 0, fmt.Errorf("search process %d: none of its memory can be read", pid)
	}
	return read, nil
}
