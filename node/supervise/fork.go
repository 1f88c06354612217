package supervise

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// WatchVariable names the environment variable that tells a child which file
// descriptor reads end-of-file when its supervisor is gone.
const WatchVariable = "CRESCENDO_PARENT_FD"

// tailBytes is how much of a log is shown when its process dies.
const tailBytes = 1200

// fork starts all processes from one thread that lives as long as we do: the
// kernel sends a child its parent-death signal when the thread that started
// it ends, and Go ends threads when it likes.
func (s *Supervisor) fork() {
	runtime.LockOSThread()
	for st := range s.starts {
		st.done <- st.cmd.Start()
	}
}

func (s *Supervisor) begin(cmd *exec.Cmd) error {
	st := start{cmd, make(chan error, 1)}
	s.starts <- st
	return <-st.done
}

func (s *Supervisor) spent(name string, user, system time.Duration) {
	if s.o.Spent != nil {
		s.o.Spent(name, user, system)
	}
}

// changed reports all running processes.
func (s *Supervisor) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.o.Changed == nil {
		return
	}
	s.o.Changed(s.list())
}

// list needs mu.
func (s *Supervisor) list() []Entry {
	entries := []Entry{}
	for _, t := range s.tasks {
		if pid := t.pid.Load(); pid != 0 {
			entries = append(entries, Entry{t.Role, t.Name, int(pid), t.Address})
		}
	}
	return entries
}

// tail returns the end of the process's log.
func (t *Task) tail() string {
	f, err := os.Open(t.logPath())
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > tailBytes {
		f.Seek(-tailBytes, io.SeekEnd)
	}
	data, _ := io.ReadAll(io.LimitReader(f, tailBytes))
	return strings.TrimSpace(string(data))
}

// WatchParent ends the calling process when the supervisor that started it is
// gone. Without a supervisor it does nothing. It backs up the parent-death
// signal, which the kernel drops when a program changes its credentials.
func WatchParent() {
	fd, err := strconv.Atoi(os.Getenv(WatchVariable))
	if err != nil {
		return
	}
	os.Unsetenv(WatchVariable)
	f := os.NewFile(uintptr(fd), "parent")
	if f == nil {
		return
	}
	go func() {
		var b [1]byte
		f.Read(b[:])
		os.Exit(1)
	}()
}
