package up

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/crescendo-network/crescendo/node/supervise"
)

// portsToTry bounds the search for a port that people will find again.
const portsToTry = 20

// chooseHubPort finds the port the hub serves on: the wanted one or the next
// free one after it; zero takes any.
func chooseHubPort(wanted int) (string, error) {
	for port := wanted; ; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			defer l.Close()
			return l.Addr().String(), nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) || port-wanted >= portsToTry {
			return "", fmt.Errorf("find a port for the hub: %w", err)
		}
	}
}

// hub describes the web site. It waits behind everything that has deadlines.
func (l launcher) hub() supervise.Process {
	return supervise.Process{
		Role: "hub", Name: "hub", Path: l.programs.crescendo, Address: l.url(l.ports.hub), Ready: l.ready("hub"),
		Args: []string{"hub", "serve", l.url(l.ports.archive), "--home", l.home.Dir, "--listen", l.ports.hub, "--ready-file", l.ready("hub")},
		Env:  []string{"GOMAXPROCS=1", "GOGC=60"},
		Nice: 10,
	}
}

// startHub starts the web site and tells people where it is.
func (u *run) startHub() error {
	if u.HubPort < 0 {
		return nil
	}
	if _, err := u.sup.Start(u.launcher.hub()); err != nil {
		return err
	}
	u.Say("hub: http://%s", u.launcher.ports.hub)
	return nil
}
