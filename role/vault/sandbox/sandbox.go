// Package sandbox takes from the calling process what a vault does not need:
// files, network, new programs, being looked at by a debugger or in a core
// dump. Every measure is reported, held or not; nothing here stops a machine's
// owner, who needs an enclave to be stopped.
package sandbox

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/crescendo-network/crescendo/role/vault/calls"
)

// Enter takes the measures, for all threads of the process. Call it before any
// secret is made.
func Enter(isolatedNetwork bool) []calls.Measure {
	measures := []calls.Measure{
		measure("not dumpable", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)),
		measure("no core dumps", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})),
		measure("no new privileges", allThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)),
		{Name: "network namespace of its own", Held: isolatedNetwork, Detail: "made by the launcher"},
	}
	abi, err := landlock()
	m := measure("no files, no TCP (Landlock)", err)
	if err == nil {
		m.Detail = fmt.Sprintf("ABI %d", abi)
	}
	measures = append(measures, m, measure("system calls filtered (seccomp)", filter()))
	return append(measures, lockMemory())
}

func measure(name string, err error) calls.Measure {
	m := calls.Measure{Name: name, Held: err == nil}
	if err != nil {
		m.Detail = err.Error()
	}
	return m
}

// allThreads makes a system call on every thread of the process.
func allThreads(trap, a1, a2, a3 uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall6(trap, a1, a2, a3, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// rulesetAttr is struct landlock_ruleset_attr.
type rulesetAttr struct{ files, network, scoped uint64 }

// landlock allows no access at all to what it can govern: no rule follows.
func landlock() (abi int, err error) {
	r, _, errno := syscall.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, fmt.Errorf("kernel has no Landlock: %w", errno)
	}
	abi = int(r)
	attr := rulesetAttr{files: 1<<13 - 1}
	size := uintptr(8)
	if abi >= 2 {
		attr.files |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= 3 {
		attr.files |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 4 {
		attr.network, size = unix.LANDLOCK_ACCESS_NET_BIND_TCP|unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, 16
	}
	if abi >= 5 {
		attr.files |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if abi >= 6 {
		attr.scoped, size = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET|unix.LANDLOCK_SCOPE_SIGNAL, 24
	}
	fd, _, errno := syscall.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return abi, fmt.Errorf("make Landlock rules: %w", errno)
	}
	defer unix.Close(int(fd))
	if err := allThreads(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); err != nil {
		return abi, fmt.Errorf("enter Landlock: %w", err)
	}
	return abi, nil
}

// lockMemory keeps the process off the swap, where it may: a limit on locked
// memory that is too low would make later allocations fail.
func lockMemory() calls.Measure {
	const name = "memory locked"
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return measure(name, err)
	}
	if limit.Cur != unix.RLIM_INFINITY {
		return calls.Measure{Name: name, Detail: fmt.Sprintf("limit is %d bytes: pages may reach the swap, if there is one", limit.Cur)}
	}
	return measure(name, unix.Mlockall(unix.MCL_CURRENT|unix.MCL_FUTURE))
}

// CloseOthers closes the descriptors that were inherited for starting only.
func CloseOthers(keep ...uintptr) {
	for fd := uintptr(3); fd < 64; fd++ {
		kept := false
		for _, k := range keep {
			kept = kept || fd == k
		}
		var st unix.Stat_t
		if kept || unix.Fstat(int(fd), &st) != nil {
			continue
		}
		if st.Mode&unix.S_IFMT == unix.S_IFREG {
			os.NewFile(fd, "inherited").Close()
		}
	}
}
