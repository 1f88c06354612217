package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/node/machine"
	"github.com/crescendo-network/crescendo/node/narrate"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/archive"
	"github.com/crescendo-network/crescendo/role/auditor"
	"github.com/crescendo-network/crescendo/role/hub"
	"github.com/crescendo-network/crescendo/role/hub/nodes"
	"github.com/crescendo-network/crescendo/role/hub/plan"
	"github.com/crescendo-network/crescendo/role/hub/record"
)

// HubConfig says what a hub shows and where.
type HubConfig struct {
	Archive  string // address of an archive, or the directory of a run
	Home     string // where the read model is kept
	Listener net.Listener
	Demo     map[crescendo.Account]string // names of demo actors on this machine
	Hosts    []string                     // names it answers for beside its address
	TLS      bool                         // somebody in front of it speaks HTTPS
	Log      *slog.Logger
}

// closeTime is how long visitors' sessions with vaults may take to close.
const closeTime = 12 * time.Second

// Hub runs a hub.
func Hub(ctx context.Context, c HubConfig) error {
	h, err := home.Open(c.Home)
	if err != nil {
		return err
	}
	audit, err := recordAt(ctx, c.Archive)
	if err != nil {
		return err
	}
	model, err := record.NewModel(ctx, h.Path("hub.db"), audit.Genesis, audit.Rules)
	if err != nil {
		return err
	}
	defer model.Close()
	var site *hub.Hub
	watch, err := watchNodes(c, h, audit.Blobs, func() []nodes.Sample { return site.Deltas() })
	if err != nil {
		return err
	}
	version, _ := machine.Build(machine.Self) // without it the hub says what it knows itself
	site = hub.New(hub.Config{
		Model: model, Blobs: audit.Blobs, Engine: audit.Engine, Say: sayer(model, c.Demo), Names: c.Demo, Archive: c.Archive, Log: c.Log,
		Watch: watch, Version: version,
	})
	site.Plug(measuresOf(model, site))
	blocks := &source{audit: audit}
	planned, err := plan.New(site, func() (program.Spec, error) {
		var spec program.Spec
		err := model.Read(func(n record.Now) error { spec = n.Spec; return nil })
		return spec, err
	})
	if err != nil {
		return err
	}
	site.Plug(planned)
	actions, err := plugDesk(ctx, c, h, site, past{model, blocks})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return model.Follow(ctx, blocks, c.Log) })
	g.Go(func() error { return site.Run(ctx) })
	g.Go(func() error { return site.Serve(ctx, c.Listener) })
	g.Go(func() error { return actions.Run(ctx) })
	err = g.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	return errors.Join(err, actions.Close(last))
}

func recordAt(ctx context.Context, where string) (auditor.Config, error) {
	if strings.HasPrefix(where, "http://") || strings.HasPrefix(where, "https://") {
		return auditor.OverHTTP(ctx, where)
	}
	return auditor.AtHome(where)
}

// source takes blocks from the archive as far as it has them, and from the
// ledger, if one runs, after that.
type source struct {
	audit auditor.Config
	mu    sync.Mutex
	names []crescendo.Hash // of archived blocks; guarded by mu
}

// maxBlock bounds an archived block.
const maxBlock = 64 << 20

// Head implements record.Source.
func (s *source) Head(ctx context.Context) (crescendo.Height, error) {
	if s.audit.Ledger != nil {
		if head, err := s.audit.Ledger.Head(ctx); err == nil {
			return head.Height, nil
		}
	}
	if err := s.list(ctx); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return crescendo.Height(len(s.names)) + 1, nil
}

// list asks the archive what it has.
func (s *source) list(ctx context.Context) error {
	names, err := s.audit.Blocks(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = names
	return nil
}

func (s *source) name(height crescendo.Height) (crescendo.Hash, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if height < 1 || int(height) > len(s.names) {
		return crescendo.Hash{}, false
	}
	return s.names[height-1], true
}

// recent is how many blocks a ledger is asked for directly; what is older
// comes from the archive, which remembers longer.
const recent = 64

// archivePoll is the pause between looks at an archive whose ledger cannot be
// reached.
const archivePoll = time.Second

// Block implements record.Source.
func (s *source) Block(ctx context.Context, height crescendo.Height) ([]byte, error) {
	if name, ok := s.name(height); ok {
		return s.audit.Blobs.Get(ctx, name, maxBlock)
	}
	live, ok := s.audit.Ledger.(archive.Source)
	if ok {
		if head, err := s.audit.Ledger.Head(ctx); err == nil && height > head.Height-recent {
			return live.Block(ctx, height)
		}
	}
	for {
		if err := s.list(ctx); err != nil {
			return nil, err
		}
		if name, ok := s.name(height); ok {
			return s.audit.Blobs.Get(ctx, name, maxBlock)
		}
		if ok {
			return live.Block(ctx, height)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(archivePoll):
		}
	}
}

// sayer tells events as `crescendo up` does.
func sayer(model *record.Model, names map[crescendo.Account]string) *narrate.Narrator {
	var denom string
	model.Read(func(n record.Now) error {
		denom = n.Spec.Denom
		return nil
	})
	narrator := narrate.New(denom)
	for account, name := range names {
		narrator.Name(account, name)
	}
	return narrator
}
