// Package archive is the seat that remembers: it serves a programme's blobs
// over HTTP, tells newcomers where everything is, and copies every block of
// the ledger into blobs before the ledger forgets it, so that audits do not
// die with pruning. Nobody has to trust it: blobs carry their hash as name,
// blocks the validators' signatures.
package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	blobhttp "github.com/crescendo-network/crescendo/blob/http"
	"github.com/crescendo-network/crescendo/ledger"
)

// Programme is the discovery document: all a newcomer needs to take part.
// GET /v1/programme answers with it.
type Programme struct {
	ChainID     string `json:"chain_id"`
	LedgerRPC   string `json:"ledger_rpc"`
	LedgerGRPC  string `json:"ledger_grpc,omitempty"` // host:port, for the Cosmos SDK's clients
	LedgerREST  string `json:"ledger_rest,omitempty"` // for wallets and explorers
	Blobs       string `json:"blobs"`
	Relay       string `json:"relay"`
	GenesisHash string `json:"genesis_hash"`
	Trust       Trust  `json:"trust"`
}

// Trust is a block from which a light client may start. Whoever does not
// trust the archive takes it from elsewhere.
type Trust struct {
	Height crescendo.Height `json:"height"`
	Hash   string           `json:"hash"`
}

// Source is where complete blocks come from: header, commit, validators,
// transactions and results in one canonical byte string.
type Source interface {
	Block(ctx context.Context, height crescendo.Height) ([]byte, error)
}

// Config is what an Archive needs.
type Config struct {
	Store     blob.Store
	Ledger    ledger.Ledger
	Source    Source
	Programme Programme
	Index     string // file that lists the archived blocks
	AllowPut  bool   // accept uploads: on development chains and from loopback
	Token     string // wanted with uploads when set
	Keep      bool   // never delete superseded checkpoints and states
	Log       *slog.Logger
}

// Archive is the seat.
type Archive struct {
	c      Config
	blocks *index
}

// maxPage bounds one answer of /v1/blocks.
const maxPage = 1000

// retryWait is the pause after a failure to reach the ledger.
const retryWait = 250 * time.Millisecond

// New opens the archive's index.
func New(c Config) (*Archive, error) {
	blocks, err := openIndex(c.Index)
	if err != nil {
		return nil, err
	}
	return &Archive{c: c, blocks: blocks}, nil
}

// Last is the newest block that has been archived.
func (a *Archive) Last() crescendo.Height { return a.blocks.last() }

// Close closes the index.
func (a *Archive) Close() error { return a.blocks.close() }

// Handler serves blobs under /v1/blobs/, the discovery document, the index of
// blocks and a health check.
func (a *Archive) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/blobs/", http.StripPrefix("/v1/blobs", blobhttp.Handler(a.c.Store, blobhttp.HandlerOptions{
		AllowPut: a.c.AllowPut, Token: a.c.Token,
	})))
	mux.HandleFunc("GET /v1/programme", func(w http.ResponseWriter, _ *http.Request) { answer(w, a.c.Programme) })
	mux.HandleFunc("GET /v1/blocks", a.serveBlocks)
	mux.HandleFunc("GET /v1/healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"status": "ok", "blocks": a.blocks.last()})
	})
	return mux
}

// Blocks is a page of the index: Blobs[i] names the block at From+i.
type Blocks struct {
	From  crescendo.Height `json:"from"`
	Blobs []crescendo.Hash `json:"blobs"`
	Last  crescendo.Height `json:"last"` // newest block archived
}

func (a *Archive) serveBlocks(w http.ResponseWriter, r *http.Request) {
	from, err := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64)
	if err != nil || from < 1 {
		http.Error(w, "from: want a height of 1 or more", http.StatusBadRequest)
		return
	}
	answer(w, Blocks{crescendo.Height(from), a.blocks.page(crescendo.Height(from), maxPage), a.blocks.last()})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// Run copies blocks and clears away what is superseded until ctx ends.
func (a *Archive) Run(ctx context.Context) error {
	sweeper := newSweeper(a.c)
	for ctx.Err() == nil {
		height := a.blocks.last() + 1
		if err := a.copyBlock(ctx, height); err != nil {
			if ctx.Err() != nil {
				break
			}
			if errors.Is(err, blob.ErrDiskFull) {
				return err
			}
			a.c.Log.Warn("archive block", "height", height, "error", err)
			pause(ctx, retryWait)
			continue
		}
		sweeper.afterBlock(ctx, height)
	}
	return context.Cause(ctx)
}

// copyBlock waits for the block at height and archives it. A block is
// complete only once the next one carries its commit and results.
func (a *Archive) copyBlock(ctx context.Context, height crescendo.Height) error {
	if _, err := a.c.Ledger.Next(ctx, height); err != nil {
		return fmt.Errorf("wait for block %d: %w", height, err)
	}
	raw, err := a.c.Source.Block(ctx, height)
	if err != nil {
		return fmt.Errorf("read block %d: %w", height, err)
	}
	name, err := a.c.Store.Put(ctx, raw)
	if err != nil {
		return fmt.Errorf("store block %d: %w", height, err)
	}
	return a.blocks.add(height, name)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
