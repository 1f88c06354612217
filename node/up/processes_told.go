package up

import (
	"os"

	"github.com/crescendo-network/crescendo/node/machine"
	"github.com/crescendo-network/crescendo/node/supervise"
	"github.com/crescendo-network/crescendo/role/hub/nodes"
)

// Processes implements control.Lister: what this run is made of, vaults
// included.
func (w workshop) Processes() []nodes.Process {
	w.u.mu.Lock()
	entries := append([]supervise.Entry{{Role: "up", Name: "up", PID: os.Getpid()}}, w.u.entries...)
	entries = append(entries, w.u.listed...)
	w.u.mu.Unlock()
	builds := map[string]string{} // by the programs' files: a run has three
	var out []nodes.Process
	for _, e := range entries {
		p := nodes.Process{Role: e.Role, Name: e.Name, PID: e.PID}
		if usage, err := machine.UsageOf(e.PID); err == nil && e.PID > 0 {
			p.Started, p.Memory = usage.Started.UnixMilli(), usage.Memory
			p.Version = buildOf(builds, e.PID)
		}
		out = append(out, p)
	}
	return out
}

// buildOf tells the build of a process's program; empty if that is unknown.
func buildOf(known map[string]string, pid int) string {
	path := machine.Program(pid)
	file, err := os.Readlink(path)
	if err != nil {
		return ""
	}
	if _, ok := known[file]; !ok {
		known[file], _ = machine.Build(path)
	}
	return known[file]
}
