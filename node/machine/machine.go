// Package machine tells what the computer it runs on has and allows: cores,
// memory, disk, sandboxes. It measures nothing and changes nothing.
package machine

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"github.com/crescendo-network/crescendo"
	"golang.org/x/sys/unix"
)

// Cores is how many processors this process may use.
func Cores() int { return runtime.GOMAXPROCS(0) }

// Memory is how many bytes the system can give to new processes without
// swapping; zero when it does not say.
func Memory() uint64 {
	available := meminfo("MemAvailable:")
	if limit, ok := cgroupRoom(); ok && limit < available {
		return limit
	}
	return available
}

func meminfo(key string) uint64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if rest, ok := strings.CutPrefix(sc.Text(), key); ok {
			kib, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}

// cgroupRoom is what a container's limit leaves.
func cgroupRoom() (uint64, bool) {
	limit, err := readUint("/sys/fs/cgroup/memory.max")
	if err != nil {
		return 0, false
	}
	used, err := readUint("/sys/fs/cgroup/memory.current")
	if err != nil || used > limit {
		return 0, false
	}
	return limit - used, true
}

func readUint(path string) (uint64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
}

// Disk is how many bytes a user may still write below dir.
func Disk(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("ask for free space of %s: %w", dir, err)
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// Parent is the process that started another, zero if there is no such
// process.
func Parent(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name before ")" may hold spaces; state and parent follow it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

// Landlock is the version of the kernel's Landlock interface, zero for none.
func Landlock() int {
	const version = 1
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(nil)), 0, version)
	if errno != 0 {
		return 0
	}
	return int(v)
}

// NetworkNamespaces reports whether a process may cut its children off the
// network.
func NetworkNamespaces() bool {
	self, err := os.Executable()
	if err != nil {
		return false
	}
	cmd := exec.Command(self, "--help")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}},
	}
	return cmd.Run() == nil
}

// Sibling finds another of our programs: beside this one, else on the PATH.
func Sibling(name string) (string, error) {
	self, err := os.Executable()
	if err == nil {
		beside := filepath.Join(filepath.Dir(self), name)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", crescendo.Errorf(crescendo.CodeNotFound, "program %s is neither beside crescendo nor on the PATH", name).
			WithHint("build all three with: make build")
	}
	return path, nil
}
