package vault

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"

	"github.com/crescendo-network/crescendo/attest/sim"
	"github.com/crescendo-network/crescendo/role/vault/sandbox"
)

// Main runs a vault over the sockets that its launcher left it. It takes the
// sandbox's measures before it makes or reads any secret, and returns when the
// host goes away.
func Main() error {
	debug.SetTraceback("none") // a trace would print what is on the stacks
	host, err := inherited(sim.HostFD, "host")
	if err != nil {
		return err
	}
	quotes, err := inherited(sim.QuoteFD, "quote")
	if err != nil {
		return err
	}
	sandbox.CloseOthers(sim.HostFD, sim.QuoteFD)
	measures := sandbox.Enter(os.Getenv(sim.NoNetwork) == "true")
	Serve(host, quotes, measures)
	return nil
}

func inherited(fd uintptr, name string) (net.Conn, error) {
	f := os.NewFile(fd, name)
	if f == nil {
		return nil, errors.New("no socket: a vault is started by crescendo sealing relay, not by hand")
	}
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("open %s socket (a vault is started by crescendo sealing relay, not by hand): %w", name, err)
	}
	return conn, nil
}
