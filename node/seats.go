package node

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	blobfile "github.com/crescendo-network/crescendo/blob/file"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/role/evaluator"
	"github.com/crescendo-network/crescendo/role/keeper"
	"github.com/crescendo-network/crescendo/role/relay"
	"github.com/crescendo-network/crescendo/role/trainer"
	"github.com/crescendo-network/crescendo/role/trainer/freerider"

	"github.com/crescendo-network/crescendo"
)

// Seat is what every seat is told.
type Seat struct {
	Archive string // address of the programme's archive
	Key     string // key file
	Home    string // directory of the seat's own data
	Name    string // shown to people
	Rung    crescendo.RungID
	Threads int
	Log     *slog.Logger

	Role    string // for measurements
	Metrics string // address on which measurements are served; "": none are
}

// open connects a seat.
func (s Seat) open(ctx context.Context) (*Connection, ledger.Signer, home.Home, error) {
	signer, err := LoadKey(s.Key)
	if err != nil {
		return nil, nil, home.Home{}, err
	}
	h, err := home.Open(s.Home)
	if err != nil {
		return nil, nil, h, err
	}
	c, err := Connect(ctx, s.Archive)
	if err != nil {
		return nil, nil, h, err
	}
	return c, signer, h, s.measure(ctx, c)
}

// Train runs a trainer, whose machine also runs trials of competitions. Cheat,
// for demonstrations, names a kind of free rider.
func Train(ctx context.Context, s Seat, cheat string, ready func() error) error {
	c, signer, h, err := s.open(ctx)
	if err != nil {
		return err
	}
	local, err := blobfile.Open(h.Path("states"), blobfile.Options{})
	if err != nil {
		return err
	}
	shared := sharedCorpora(c.Blobs)
	config := trainer.Config{
		Ledger: c.Ledger, Signer: signer, Blobs: c.Blobs, Local: local, Engine: native.New(s.Threads),
		Home: h.Dir, Name: s.Name, Rung: s.Rung, Log: s.Log,
		Corpus: shared.reader,
	}
	if cheat != "" {
		if config.Craft, err = freerider.New(cheat); err != nil {
			return fmt.Errorf("choose free rider: %w", err)
		}
	}
	if err := ready(); err != nil {
		return err
	}
	defer s.lend(ctx, c, signer, h, shared)()
	return trainer.Run(ctx, config)
}

// Evaluate runs an evaluator.
func Evaluate(ctx context.Context, s Seat, ready func() error) error {
	c, signer, _, err := s.open(ctx)
	if err != nil {
		return err
	}
	if err := ready(); err != nil {
		return err
	}
	return evaluator.Run(ctx, evaluator.Config{
		Ledger: c.Ledger, Signer: signer, Blobs: c.Blobs, Engine: native.New(s.Threads), Name: s.Name, Rung: s.Rung, Log: s.Log,
	})
}

// Keep runs a keeper of keys.
func Keep(ctx context.Context, s Seat, ready func() error) error {
	c, signer, h, err := s.open(ctx)
	if err != nil {
		return err
	}
	if err := ready(); err != nil {
		return err
	}
	return keeper.Run(ctx, keeper.Config{Ledger: c.Ledger, Signer: signer, Home: h.Dir, Log: s.Log})
}

// Relay runs a vault and its relay. Changed is told where they stand.
func Relay(ctx context.Context, s Seat, vault, listen string, stderr io.Writer, changed func(relay.Status)) error {
	c, signer, h, err := s.open(ctx)
	if err != nil {
		return err
	}
	prover, err := proverOf(c)
	if err != nil {
		return err
	}
	return relay.Run(ctx, relay.Config{
		Ledger: c.Ledger, Signer: signer, Prover: prover, Blobs: c.Blobs, Vault: vault, Home: h.Dir, Listen: listen,
		Threads: s.Threads, Log: s.Log, Stderr: stderr, Changed: changed,
	})
}
