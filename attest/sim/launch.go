package sim

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxProgram bounds the program that is measured and started.
const maxProgram = 1 << 30

// Descriptors that a started program inherits.
const (
	HostFD  = 3 // socket to whoever started it
	QuoteFD = 4 // socket to the platform, which answers quote requests
	imageFD = 5 // the measured image itself
)

// NoNetwork tells the program in its environment that it was started in a
// network namespace of its own; it is information, not a claim to rely on.
const NoNetwork = "CRESCENDO_NO_NETWORK"

// Measure returns the measurement of the program in a file.
func Measure(path string) ([]byte, error) {
	image, err := readProgram(path)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(image)
	return sum[:], nil
}

func readProgram(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open program to measure: %w", err)
	}
	defer f.Close()
	image, err := io.ReadAll(io.LimitReader(f, maxProgram+1))
	if err != nil {
		return nil, fmt.Errorf("read program %s: %w", path, err)
	}
	if len(image) > maxProgram {
		return nil, fmt.Errorf("program %s is above %d bytes", path, maxProgram)
	}
	return image, nil
}

// A Machine is a started program together with the platform that vouches for
// it.
type Machine struct {
	Measurement []byte
	PID         int
	Host        net.Conn // the other end of the program's HostFD
	Isolated    bool     // the program has no network of its own

	kill func() error
	done chan struct{}
	err  error
}

// Launch measures the program in a file and starts exactly the bytes that it
// measured, from a sealed copy in memory: whoever writes to the file afterwards
// changes neither. The program dies when its launcher does.
func Launch(path string, args []string, stderr io.Writer) (*Machine, error) {
	image, err := readProgram(path)
	if err != nil {
		return nil, err
	}
	platform, err := NewPlatform(rand.Reader)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(image)
	m, err := start(image, args, stderr, true)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) {
		// The kernel grants no user namespaces here; the program's own
		// sandbox still has to cut the network.
		m, err = start(image, args, stderr, false)
	}
	if err != nil {
		return nil, fmt.Errorf("start measured program %s: %w", path, err)
	}
	m.Measurement = sum[:]
	go platform.answer(m.quotes, sum[:])
	return m.Machine, nil
}

type started struct {
	*Machine
	quotes net.Conn
}

func start(image []byte, args []string, stderr io.Writer, isolate bool) (*started, error) {
	file, err := sealedCopy(image)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	host, hostEnd, err := socketPair("host")
	if err != nil {
		return nil, err
	}
	defer hostEnd.Close()
	quotes, quoteEnd, err := socketPair("quote")
	if err != nil {
		host.Close()
		return nil, err
	}
	defer quoteEnd.Close()

	cmd := &exec.Cmd{
		Path:       "/proc/self/fd/" + strconv.Itoa(imageFD),
		Args:       append([]string{"crescendo-vault"}, args...),
		Env:        []string{"GOTRACEBACK=none", NoNetwork + "=" + strconv.FormatBool(isolate)},
		Dir:        "/",
		Stderr:     stderr,
		ExtraFiles: []*os.File{hostEnd, quoteEnd, file},
	}
	for _, name := range []string{"CRESCENDO_KERNEL", "GOMAXPROCS"} { // none of them changes results
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if isolate {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	m := &Machine{Host: host, Isolated: isolate, done: make(chan struct{})}
	if err := m.run(cmd); err != nil {
		host.Close()
		quotes.Close()
		return nil, err
	}
	return &started{m, quotes}, nil
}

// run starts the command on a thread that stays until the program ends: the
// kernel sends the parent-death signal when that thread goes, not the process.
func (m *Machine) run(cmd *exec.Cmd) error {
	ready := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			ready <- err
			return
		}
		m.PID, m.kill = cmd.Process.Pid, cmd.Process.Kill
		ready <- nil
		m.err = cmd.Wait()
		m.Host.Close()
		close(m.done)
	}()
	return <-ready
}

// Done is closed when the program has ended.
func (m *Machine) Done() <-chan struct{} { return m.done }

// Err tells how the program ended; call it after Done.
func (m *Machine) Err() error { return m.err }

// Stop kills the program and waits for its end.
func (m *Machine) Stop(ctx context.Context) error {
	if err := m.kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop measured program: %w", err)
	}
	select {
	case <-m.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sealedCopy puts the image in a memory file that nobody can change any more.
func sealedCopy(image []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("crescendo-vault", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("create memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "crescendo-vault")
	if _, err := io.Copy(f, bytes.NewReader(image)); err != nil {
		f.Close()
		return nil, fmt.Errorf("copy program: %w", err)
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, fmt.Errorf("seal program copy: %w", err)
	}
	// A file open for writing cannot be executed: open it again read-only.
	defer f.Close()
	ro, err := os.Open("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	if err != nil {
		return nil, fmt.Errorf("reopen program copy: %w", err)
	}
	return ro, nil
}

func socketPair(name string) (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make %s socket: %w", name, err)
	}
	ours := os.NewFile(uintptr(fds[0]), name)
	defer ours.Close()
	theirs := os.NewFile(uintptr(fds[1]), name)
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("make %s socket: %w", name, err)
	}
	return conn, theirs, nil
}
