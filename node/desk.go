package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/node/control"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/role/hub"
	"github.com/crescendo-network/crescendo/role/hub/desk"
	"github.com/crescendo-network/crescendo/role/hub/desk/guard"
	"github.com/crescendo-network/crescendo/role/hub/record"
)

// DemoWallet names the key of the wallet that `crescendo up` gives visitors of
// its hub.
const DemoWallet = "wallet"

// DeskConfig says for whom a hub acts, and where.
type DeskConfig struct {
	Connection *Connection
	Home       home.Home // of the hub; for a run on this machine, also the run's
	Listen     net.Addr  // where the hub listens
	Hosts      []string  // names it answers for beside its address
	TLS        bool      // somebody in front of it speaks HTTPS
	Here       bool      // the programme runs on this machine, in Home
	History    desk.Transactions
	Frame      desk.Frame
	Log        *slog.Logger
}

// NewDesk makes the part of a hub for those who act.
func NewDesk(c DeskConfig) (*desk.Desk, error) {
	hosts, err := guard.HostsOf(c.Listen.String())
	if err != nil {
		return nil, err
	}
	cfg := desk.Config{
		Ledger: c.Connection.Ledger, Frame: c.Frame, Keys: keyFiles{}, Home: c.Home.Path("hub"), Relay: c.Connection.Programme.Relay,
		Blobs: c.Connection.Blobs, RPC: c.Connection.Programme.LedgerRPC, REST: c.Connection.Programme.LedgerREST, Hosts: append(hosts, c.Hosts...), TLS: c.TLS,
		Archive: c.History, Log: c.Log,
	}
	if c.Here && strings.HasPrefix(c.Connection.Programme.ChainID, simPrefix) {
		if cfg.Demo, err = demoWallet(c.Home); err != nil {
			return nil, err
		}
		cfg.Machine = control.Dial(c.Home.Path(control.Socket))
	}
	return desk.New(cfg)
}

// simPrefix marks development chains.
const simPrefix = "crescendo-dev-"

// demoWallet is nil in the home of a run that has none.
func demoWallet(h home.Home) (ledger.Signer, error) {
	s, err := LoadKey(h.Key(DemoWallet))
	if crescendo.CodeOf(err) == crescendo.CodeNotFound {
		return nil, nil
	}
	return s, err
}

// keyFiles keeps keys as files, as the command line does.
type keyFiles struct{}

// New implements desk.Keys.
func (keyFiles) New(path string) (ledger.Signer, error) { return NewKey(path) }

// Load implements desk.Keys.
func (keyFiles) Load(path string) (ledger.Signer, error) { return LoadKey(path) }

// runsHere reports whether an archive belongs to the run in a home.
func runsHere(h home.Home, archive string) (bool, error) {
	url, err := ArchiveOf(h)
	switch {
	case crescendo.CodeOf(err) == crescendo.CodeNotFound, errors.Is(err, os.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for a run beside the hub: %w", err)
	}
	return url == archive, nil
}

// service is what runs beside a hub's pages, and is closed after them.
type service interface {
	Run(ctx context.Context) error
	Close(ctx context.Context) error
}

// plugDesk lets visitors of a hub act, if the programme's ledger can be
// reached. Without one the hub is read-only, and says so; its guard stands all
// the same. What it returns closes what visitors have opened.
func plugDesk(ctx context.Context, c HubConfig, h home.Home, site *hub.Hub, past desk.Transactions) (service, error) {
	hosts, err := guard.HostsOf(c.Listener.Addr().String())
	if err != nil {
		return nil, err
	}
	here, err := runsHere(h, c.Archive)
	if err != nil {
		return nil, err
	}
	url := c.Archive
	if !strings.Contains(url, "://") { // the directory of a run
		run := home.Home{Dir: url}
		if url, err = ArchiveOf(run); err != nil && crescendo.CodeOf(err) != crescendo.CodeNotFound {
			return nil, err
		}
	}
	conn, err := Connect(ctx, url)
	if err != nil {
		c.Log.Warn("the hub is read-only: the programme's ledger cannot be reached", "error", err)
		g, err := guard.New(guard.Config{Hosts: append(hosts, c.Hosts...), TLS: c.TLS})
		if err != nil {
			return nil, err
		}
		r := readOnly{g, desk.NewReading(site, past, c.Log)}
		site.Plug(r)
		return r, nil
	}
	d, err := NewDesk(DeskConfig{
		Connection: conn, Home: h, Listen: c.Listener.Addr(), Hosts: c.Hosts, TLS: c.TLS, Here: here, History: past, Frame: site, Log: c.Log,
	})
	if err != nil {
		return nil, err
	}
	site.Plug(d)
	return d, nil
}

// readOnly is the guard of a hub at which nobody can act.
type readOnly struct {
	*guard.Guard
	desk.Reading
}

// Run implements service: there is nothing to do.
func (readOnly) Run(context.Context) error { return nil }

// Close implements service.
func (readOnly) Close(context.Context) error { return nil }

// past finds transactions in the read model, and what was in them in the
// blocks themselves.
type past struct {
	model *record.Model
	from  record.Source
}

// Transaction implements desk.Transactions.
func (p past) Transaction(ctx context.Context, hash string) (desk.Transaction, error) {
	at, err := p.model.Tx(ctx, hash)
	if err != nil {
		return desk.Transaction{}, err
	}
	raw, err := p.from.Block(ctx, at.Height)
	if err != nil {
		return desk.Transaction{}, fmt.Errorf("read block %d: %w", at.Height, err)
	}
	b, err := light.DecodeBlock(raw)
	if err != nil {
		return desk.Transaction{}, fmt.Errorf("read block %d: %w", at.Height, err)
	}
	if at.Position >= len(b.Txs) || at.Position >= len(b.Results) {
		return desk.Transaction{}, fmt.Errorf("read block %d: it has %d transactions, %d was recorded", at.Height, len(b.Txs), at.Position)
	}
	t := desk.Transaction{Hash: at.Hash, Height: at.Height, Time: b.Signed.Header.Time.Seconds * 1000, Signer: at.Signer}
	if tx, err := wire.Decode(b.Txs[at.Position]); err == nil {
		t.Messages = tx.Messages
	}
	r := b.Results[at.Position]
	if t.Events = r.Events; r.Code != 0 {
		e := wire.ParseError(r.Codespace, r.Code, r.Log)
		t.Refused, t.Hint = e.Text, e.Hint
	}
	return t, nil
}
