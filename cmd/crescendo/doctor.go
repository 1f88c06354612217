package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/node/machine"
	"github.com/spf13/cobra"
)

// The verdicts of a check.
const (
	fine    = "ok"
	warning = "warning" // something will be slower or weaker
	failed  = "failed"  // something will not work
)

type check struct {
	Name   string `json:"name"`
	Status string `json:"status"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

func (c *cli) doctor() *cobra.Command {
	dir := home.Default()
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine can do in a programme and what is missing",
		Args:  noArguments,
		RunE:  func(*cobra.Command, []string) error { return c.runDoctor(dir) },
	}
	cmd.Flags().StringVar(&dir, "home", dir, "directory that would hold keys and data")
	return cmd
}

func (c *cli) runDoctor(dir string) error {
	checks := []check{
		checkKernel(), checkCores(), checkMemory(), checkDisk(dir), checkPorts(),
		checkNamespaces(), checkLandlock(), checkGoTree(),
		checkProgram("crescendo-ledger"), checkProgram("crescendo-vault"),
	}
	err := c.print(map[string]any{"checks": checks}, func(w writer) {
		for _, k := range checks {
			fmt.Fprintf(w, "%-8s %-18s %s\n", k.Status, k.Name, k.Detail)
			if k.Hint != "" {
				fmt.Fprintf(w, "%-8s %-18s %s\n", "", "", k.Hint)
			}
		}
	})
	if err != nil {
		return err
	}
	for _, k := range checks {
		if k.Status == failed {
			return crescendo.Errorf(crescendo.CodeInvalid, "%s: %s", k.Name, k.Detail).WithHint(k.Hint)
		}
	}
	return nil
}

func checkKernel() check {
	kernel := native.New(1).Kernel()
	k := check{Name: "cpu kernel", Status: fine, Detail: kernel}
	if kernel == "portable" {
		k.Status, k.Hint = warning, "training is about ten times slower without AVX2 or AVX-512; results are the same"
	}
	return k
}

func checkCores() check {
	k := check{Name: "cores", Status: fine, Detail: fmt.Sprintf("%d, %s", machine.Cores(), runtime.GOARCH)}
	if machine.Cores() < 2 {
		k.Status, k.Hint = warning, "a programme on one core takes about twice as long"
	}
	return k
}

func checkMemory() check {
	const wanted = 2 << 30
	m := machine.Memory()
	k := check{Name: "memory", Status: fine, Detail: gibibytes(m) + " available"}
	if m < wanted {
		k.Status, k.Hint = warning, "the first rungs of a demo programme want 2 GiB"
	}
	return k
}

func checkDisk(dir string) check {
	const wanted = 4 << 30
	for { // the home may not exist yet: ask for the nearest directory that does
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	free, err := machine.Disk(dir)
	if err != nil {
		return check{Name: "disk", Status: failed, Detail: err.Error(), Hint: "choose another directory with --home"}
	}
	k := check{Name: "disk", Status: fine, Detail: gibibytes(free) + " free at " + dir}
	if free < wanted {
		k.Status, k.Hint = warning, "a demo programme writes up to 4 GiB; free some or choose another --home"
	}
	return k
}

func checkPorts() check {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return check{Name: "ports", Status: failed, Detail: err.Error(), Hint: "processes talk over 127.0.0.1: allow that"}
	}
	defer l.Close()
	return check{Name: "ports", Status: fine, Detail: "127.0.0.1 accepts listeners"}
}

func checkNamespaces() check {
	if machine.NetworkNamespaces() {
		return check{Name: "network namespace", Status: fine, Detail: "vaults run without a network"}
	}
	return check{Name: "network namespace", Status: warning, Detail: "not permitted here",
		Hint: "vaults fall back to other means of cutting the network; allow user namespaces for the strongest one"}
}

func checkLandlock() check {
	if v := machine.Landlock(); v > 0 {
		return check{Name: "landlock", Status: fine, Detail: fmt.Sprintf("version %d", v)}
	}
	return check{Name: "landlock", Status: warning, Detail: "not in this kernel",
		Hint: "vaults then keep file access by other means; Linux 5.13 or later has it"}
}

func checkGoTree() check {
	root := runtime.GOROOT()
	if out, err := exec.Command("go", "env", "GOROOT").Output(); err == nil {
		root = strings.TrimSpace(string(out))
	}
	if _, err := os.Stat(filepath.Join(root, "src", "fmt", "print.go")); err != nil {
		return check{Name: "corpus", Status: warning, Detail: "no Go source tree found",
			Hint: "the organiser packs it by default; give text of your own with --corpus DIR"}
	}
	return check{Name: "corpus", Status: fine, Detail: "Go source tree at " + root}
}

func checkProgram(name string) check {
	path, err := machine.Sibling(name)
	if err != nil {
		return check{Name: name, Status: warning, Detail: "not found", Hint: hintOf(err)}
	}
	return check{Name: name, Status: fine, Detail: path}
}

func gibibytes(n uint64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }
