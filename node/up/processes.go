package up

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/node/machine"
	"github.com/crescendo-network/crescendo/node/supervise"
	"github.com/crescendo-network/crescendo/role/archive"
)

// ports are where this run's processes serve, chosen free at its start.
type ports struct{ ledger, grpc, rest, archive, relay, proxy, hub string }

// choosePorts finds free ports and lets go of them again at once. Another
// program could take one in between; then its owner fails to start, loudly.
func choosePorts() (ports, error) {
	var p ports
	for _, dst := range []*string{&p.ledger, &p.grpc, &p.rest, &p.archive, &p.relay, &p.proxy} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return ports{}, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		*dst = l.Addr().String()
	}
	return p, nil
}

// programs are the paths of our three programs.
type programs struct{ crescendo, ledger, vault string }

func findPrograms() (programs, error) {
	var p programs
	var err error
	if p.crescendo, err = os.Executable(); err != nil {
		return p, fmt.Errorf("find own program: %w", err)
	}
	if p.ledger, err = machine.Sibling("crescendo-ledger"); err != nil {
		return p, err
	}
	p.vault, err = machine.Sibling("crescendo-vault")
	return p, err
}

// busyBlockMS is the wait after blocks in which something happens: what
// follows from a block is said, and proved, sooner.
const busyBlockMS = 80

// launcher describes the processes of a run.
type launcher struct {
	home     home.Home
	programs programs
	ports    ports
	blockMS  int
	// threads each training or judging seat gets, so that all of them together
	// have no more than the machine: waiting threads would only spin.
	threads int
}

func (l launcher) url(address string) string { return "http://" + address }

func (l launcher) ready(name string) string { return l.home.Path("ready", name) }

// seat describes a `crescendo` process that joins through the archive.
func (l launcher) seat(role, name string, args ...string) supervise.Process {
	return supervise.Process{
		Role: role, Name: name, Path: l.programs.crescendo, Ready: l.ready(name),
		Args: append(args, l.url(l.ports.archive),
			"--key", name, "--home", l.home.Dir, "--ready-file", l.ready(name)),
		Env: []string{"GOMAXPROCS=" + strconv.Itoa(l.threads), "GOGC=60"}, // one machine's memory holds them all
	}
}

func (l launcher) ledger() supervise.Process {
	return supervise.Process{
		Role: "ledger", Name: "ledger", Path: l.programs.ledger, Address: l.url(l.ports.ledger), Ready: l.ready("ledger"),
		Args: []string{"start", "--home", l.home.Path("ledger"), "--rpc", l.ports.ledger, "--grpc", l.ports.grpc, "--rest", l.ports.rest,
			"--block-time", strconv.Itoa(l.blockMS) + "ms", "--busy-block-time", strconv.Itoa(min(l.blockMS, busyBlockMS)) + "ms", "--ready-file", l.ready("ledger")},
		Env: []string{"GOGC=200"},
	}
}

func (l launcher) archive(p archive.Programme) supervise.Process {
	return supervise.Process{
		Role: "archive", Name: "archive", Path: l.programs.crescendo, Address: l.url(l.ports.archive), Ready: l.ready("archive"),
		Args: []string{"archive", "--home", l.home.Path("archive"), "--listen", l.ports.archive,
			"--ledger", p.LedgerRPC, "--ledger-grpc", p.LedgerGRPC, "--ledger-rest", p.LedgerREST, "--chain-id", p.ChainID, "--relay", p.Relay, "--genesis-hash", p.GenesisHash,
			"--trust", fmt.Sprintf("%d:%s", p.Trust.Height, p.Trust.Hash), "--allow-uploads", "--ready-file", l.ready("archive")},
		Env: []string{"GOGC=200"},
	}
}

func (l launcher) trainer(p part) supervise.Process {
	args := []string{"training", "join", "--threads", strconv.Itoa(l.threads)}
	if p.Cheat != "" {
		args = append(args, "--demo-cheat", p.Cheat)
	}
	proc := l.seat("trainer", p.Name, args...)
	proc.Nice = 5
	proc.Once = true // status 0: not kept, or expelled
	return proc
}

func (l launcher) evaluator(p part) supervise.Process {
	proc := l.seat("evaluator", p.Name, "evaluation", "run", "--threads", strconv.Itoa(l.threads))
	proc.Once = true // status 0: all rungs are finished
	return proc
}

func (l launcher) keeper(p part) supervise.Process {
	return l.seat("keeper", p.Name, "sealing", "keep")
}

func (l launcher) relay(p part) supervise.Process {
	proc := l.seat("relay", p.Name, "sealing", "relay", "--listen", l.ports.relay, "--vault", l.programs.vault)
	proc.Address = l.url(l.ports.relay)
	return proc
}

func (l launcher) client(p part, rungs int, config string) supervise.Process {
	proc := l.seat("client", p.Name, "demo", "client", "--config", config, "--rungs", strconv.Itoa(rungs))
	proc.Nice = 5
	return proc
}
