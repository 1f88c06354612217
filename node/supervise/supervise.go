// Package supervise runs the processes of one machine: it starts them, waits
// until they are ready, starts those that die again, and takes them all along
// when it ends, even when its own process is killed. What the processes do is
// not its business.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Timing of restarts and stops.
const (
	firstBackoff = 150 * time.Millisecond
	maxBackoff   = 5 * time.Second
	steady       = 15 * time.Second // alive this long: the next death waits firstBackoff again
	stopGrace    = 6 * time.Second  // between asking a process to stop and killing it
	readyPoll    = 20 * time.Millisecond
)

// Process describes a process to keep running.
type Process struct {
	Role    string // "trainer"
	Name    string // "trainer-3": unique; names the log
	Path    string // program
	Args    []string
	Env     []string // beside the supervisor's own
	Address string   // where it serves, for people and for run.json; may be empty
	Ready   string   // a file the process writes once it serves; may be empty
	Nice    int      // added to its niceness; latency-critical processes keep 0
	// Once says that the process may finish: after status 0 it is not started
	// again.
	Once bool
}

// Entry is a running process as run.json lists it.
type Entry struct {
	Role    string `json:"role"`
	Name    string `json:"name"`
	PID     int    `json:"pid"`
	Address string `json:"address"`
}

// Options configure a Supervisor.
type Options struct {
	// LogDir gets one file per process, appended to.
	LogDir string
	// Changed is called with all running processes after each start and death,
	// one call at a time.
	Changed func([]Entry)
	// Spent is called when a process has ended, with the processor time it and
	// the children it waited for took.
	Spent func(name string, user, system time.Duration)
	// Died is called when a process ends without having been stopped.
	Died func(p Process, err error, tail string)
}

// Supervisor keeps processes running until Stop.
type Supervisor struct {
	o      Options
	starts chan start
	pipe   *os.File // kept open while we live: children watch its other end
	watch  *os.File

	mu       sync.Mutex
	tasks    []*Task // in order of start; guarded by mu
	stopping bool    // guarded by mu
}

type start struct {
	cmd  *exec.Cmd
	done chan error
}

// Task is a process under supervision.
type Task struct {
	Process
	sup   *Supervisor
	pid   atomic.Int64
	ready chan struct{} // closed when the process was ready for the first time
	gone  chan struct{} // closed when the task will not start again
	stop  context.CancelFunc
	once  sync.Once
	died  atomic.Int64
}

// New returns a Supervisor without processes.
func New(o Options) (*Supervisor, error) {
	if err := os.MkdirAll(o.LogDir, 0o700); err != nil {
		return nil, fmt.Errorf("make log directory: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make watch pipe: %w", err)
	}
	s := &Supervisor{o: o, starts: make(chan start), pipe: w, watch: r}
	go s.fork()
	return s, nil
}

// Start begins to keep p running.
func (s *Supervisor) Start(p Process) (*Task, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return nil, fmt.Errorf("start %s: supervisor is stopping", p.Name)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t := &Task{Process: p, sup: s, ready: make(chan struct{}), gone: make(chan struct{}), stop: cancel}
	s.tasks = append(s.tasks, t)
	go t.run(ctx)
	return t, nil
}

// WaitReady returns when the process has been ready once, or will never be.
func (t *Task) WaitReady(ctx context.Context) error {
	select {
	case <-t.ready:
		return nil
	case <-t.gone:
		return fmt.Errorf("start %s: it ended; its log says:\n%s", t.Name, t.tail())
	case <-ctx.Done():
		return fmt.Errorf("start %s: %w; its log says:\n%s", t.Name, context.Cause(ctx), t.tail())
	}
}

// Gone is closed when the process has ended for good.
func (t *Task) Gone() <-chan struct{} { return t.gone }

// Deaths counts how often the process ended without having been stopped.
func (t *Task) Deaths() int { return int(t.died.Load()) }

// Stop ends one process for good.
func (t *Task) Stop() {
	t.stop()
	<-t.gone
}

// Stop ends all processes, the last started first, and returns when none is
// left.
func (s *Supervisor) Stop() {
	s.mu.Lock()
	s.stopping = true
	tasks := append([]*Task(nil), s.tasks...)
	s.mu.Unlock()
	// Seats first and together; what they all lean on (started first) last.
	var wg sync.WaitGroup
	for i := len(tasks) - 1; i >= 0; i-- {
		if i == 0 {
			wg.Wait()
		}
		wg.Go(tasks[i].Stop)
	}
	wg.Wait()
	s.pipe.Close()
	s.watch.Close()
}

// run starts the process again and again until the task is stopped.
func (t *Task) run(ctx context.Context) {
	defer close(t.gone)
	wait := firstBackoff
	for ctx.Err() == nil {
		began := time.Now()
		err := t.runOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil && t.Once {
			return
		}
		if err == nil {
			err = errors.New("it ended by itself")
		}
		t.died.Add(1)
		if t.sup.o.Died != nil {
			t.sup.o.Died(t.Process, err, t.tail())
		}
		if time.Since(began) > steady {
			wait = firstBackoff
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		wait = min(2*wait, maxBackoff)
	}
}

// runOnce starts the process and waits for its end.
func (t *Task) runOnce(ctx context.Context) error {
	log, err := os.OpenFile(t.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log of %s: %w", t.Name, err)
	}
	defer log.Close()
	if t.Ready != "" {
		if err := os.Remove(t.Ready); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("start %s: %w", t.Name, err)
		}
	}
	cmd := t.command(log)
	if err := t.sup.begin(cmd); err != nil {
		return fmt.Errorf("start %s: %w", t.Name, err)
	}
	if t.Nice > 0 {
		syscall.Setpriority(syscall.PRIO_PROCESS, cmd.Process.Pid, t.Nice)
	}
	t.pid.Store(int64(cmd.Process.Pid))
	t.sup.changed()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	go t.awaitReady(cmd.Process.Pid)
	err = t.wait(ctx, cmd, ended)
	t.pid.Store(0)
	if s := cmd.ProcessState; s != nil {
		t.sup.spent(t.Name, s.UserTime(), s.SystemTime())
	}
	t.sup.changed()
	return err
}

func (t *Task) command(log *os.File) *exec.Cmd {
	cmd := exec.Command(t.Path, t.Args...)
	cmd.Env = append(append(os.Environ(), WatchVariable+"=3"), t.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{t.sup.watch}
	// Their own group: a Ctrl-C at the terminal reaches only the supervisor,
	// which stops them in order. Killed with it if it dies.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// wait returns when the process has ended; when ctx ends first, it makes the
// process end, politely and then not.
func (t *Task) wait(ctx context.Context, cmd *exec.Cmd, ended chan error) error {
	select {
	case err := <-ended:
		killGroup(cmd.Process.Pid, syscall.SIGKILL) // what it started must not outlive it
		return err
	case <-ctx.Done():
	}
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		killGroup(cmd.Process.Pid, syscall.SIGKILL)
		return err
	case <-time.After(stopGrace):
	}
	killGroup(cmd.Process.Pid, syscall.SIGKILL)
	return <-ended
}

func killGroup(pid int, sig syscall.Signal) { syscall.Kill(-pid, sig) }

func (t *Task) awaitReady(pid int) {
	for t.pid.Load() == int64(pid) {
		if t.Ready == "" || exists(t.Ready) {
			t.once.Do(func() { close(t.ready) })
			return
		}
		time.Sleep(readyPoll)
	}
}

func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

func (t *Task) logPath() string { return filepath.Join(t.sup.o.LogDir, t.Name+".log") }
