// Package node wires: it is the one place that names drivers. It turns an
// archive's address into a connection, a key file into a signer, and settings
// into seats. It has no logic of its own; the seats in role/ have it.
package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	blobhttp "github.com/crescendo-network/crescendo/blob/http"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/archive"
)

// Bounds on the discovery document and on waiting for it.
const (
	maxDocument     = 64 << 10
	documentTimeout = 10 * time.Second
)

// Connection is everything a seat or a command needs of a running programme.
type Connection struct {
	Archive   string // its address
	Programme archive.Programme
	Ledger    ledger.Ledger
	Blobs     blob.Store
}

// Connect takes part in the programme that an archive tells of.
func Connect(ctx context.Context, archiveURL string) (*Connection, error) {
	p, err := Discover(ctx, archiveURL)
	if err != nil {
		return nil, err
	}
	c := &Connection{Archive: archiveURL, Programme: p}
	if c.Ledger, err = DialLedger(ctx, p.LedgerRPC, p.ChainID, p.Trust); err != nil {
		return nil, err
	}
	c.Blobs, err = Blobs(p.Blobs)
	return c, err
}

// Spec reads the programme from the ledger.
func (c *Connection) Spec(ctx context.Context) (program.Spec, error) {
	state, err := c.Ledger.State(ctx)
	if err != nil {
		return program.Spec{}, err
	}
	spec, err := program.Specs.Get(state)
	if err != nil {
		return program.Spec{}, fmt.Errorf("read programme: %w", err)
	}
	return spec, nil
}

// Blobs reaches the blobs an archive serves.
func Blobs(address string) (blob.Store, error) {
	return blobhttp.New([]string{address}, blobhttp.Options{})
}

// Discover asks an archive what its programme is.
func Discover(ctx context.Context, archiveURL string) (archive.Programme, error) {
	var p archive.Programme
	u, err := url.Parse(archiveURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return p, crescendo.Errorf(crescendo.CodeInvalid, "address %q: want http://host:port", archiveURL).
			WithHint("the archive's address stands in run.json of the home of `crescendo up`")
	}
	ctx, cancel := context.WithTimeout(ctx, documentTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(archiveURL, "/")+"/v1/programme", nil)
	if err != nil {
		return p, fmt.Errorf("ask archive: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return p, fmt.Errorf("ask archive: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return p, crescendo.Errorf(crescendo.CodeNotFound, "ask archive %s: %s", archiveURL, resp.Status).
			WithHint("is this the address of an archive?")
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxDocument)).Decode(&p); err != nil {
		return p, fmt.Errorf("ask archive %s: %w", archiveURL, err)
	}
	return p, nil
}

// ArchiveOf is the address of the archive that runs in a home.
func ArchiveOf(h home.Home) (string, error) {
	var run struct {
		Archive string `json:"archive"`
	}
	err := h.ReadJSON("run.json", &run)
	if errors.Is(err, os.ErrNotExist) || (err == nil && run.Archive == "") {
		return "", crescendo.Errorf(crescendo.CodeNotFound, "nothing runs in home %s", h.Dir).
			WithHint("start a programme with `crescendo up`, or give the address of one with --url")
	}
	return run.Archive, err
}
