package node

import (
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/node/control"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/role/hub/nodes"
)

// watchNodes measures the services of the programme a hub shows, and asks for
// the processes of this machine if the programme runs in the hub's home.
func watchNodes(c HubConfig, h home.Home, store blob.Store, samples func() []nodes.Sample) (*nodes.Watch, error) {
	address := c.Archive
	if !strings.Contains(address, "://") {
		var err error
		if address, err = ArchiveOf(home.Home{Dir: address}); err != nil && crescendo.CodeOf(err) != crescendo.CodeNotFound {
			return nil, err
		}
	}
	cfg := nodes.Config{Archive: address, Samples: samples, Store: store}
	if here, err := runsHere(h, address); err != nil {
		return nil, err
	} else if here {
		cfg.Processes = control.Dial(h.Path(control.Socket)).Processes
	}
	return nodes.New(cfg), nil
}
