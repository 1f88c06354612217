package auditor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/attest"
	"github.com/crescendo-network/crescendo/blob/file"
	blobhttp "github.com/crescendo-network/crescendo/blob/http"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/ledger/client"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/archive"
)

// Bounds on what an archive may answer, and on waiting for it.
const (
	maxPage       = 1 << 20
	maxBlocks     = 1 << 24
	answerTimeout = 20 * time.Second
)

// AtHome prepares the audit of a run from its directory. No process of the run
// is needed, and none is asked.
func AtHome(dir string) (Config, error) {
	c := defaults()
	c.AllBlobs = true
	var err error
	if c.Genesis, err = readBounded(filepath.Join(dir, "ledger", "config", "genesis.json")); err != nil {
		return c, missing(err, dir)
	}
	index := filepath.Join(dir, "archive", "blocks.index")
	if _, err := os.Stat(index); err != nil {
		return c, missing(err, dir)
	}
	blobs := filepath.Join(dir, "archive", "blobs")
	if _, err := os.Stat(blobs); err != nil {
		return c, missing(err, dir)
	}
	if c.Blobs, err = file.Open(blobs, file.Options{}); err != nil {
		return c, err
	}
	c.Blocks = func(context.Context) ([]crescendo.Hash, error) { return readIndex(index) }
	return c, nil
}

func missing(err error, dir string) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the archive in %s: %w", dir, err)
	}
	return crescendo.Errorf(crescendo.CodeNotFound, "no archived run in %s: %v", dir, err).
		WithHint("give the directory of `crescendo up` with --home, or the address of an archive with --url")
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxGenesis+1))
}

// readIndex reads the archive's list of blocks: line n names block n. A line
// that says no name stands for a block that is missing.
func readIndex(path string) ([]crescendo.Hash, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	lines := strings.SplitAfter(string(data), "\n")
	names := make([]crescendo.Hash, 0, len(lines))
	for _, line := range lines {
		if !strings.HasSuffix(line, "\n") {
			break // being written
		}
		name, _ := crescendo.ParseHash(strings.TrimSuffix(line, "\n"))
		names = append(names, name)
	}
	return names, nil
}

// OverHTTP prepares the audit of a running programme from elsewhere: blobs and
// blocks come from the archive at the address, genesis and state from the
// ledger that the archive names. Neither is trusted.
func OverHTTP(ctx context.Context, url string) (Config, error) {
	c := defaults()
	url = strings.TrimRight(url, "/")
	var p archive.Programme
	if err := get(ctx, url+"/v1/programme", &p); err != nil {
		return c, err
	}
	var err error
	if c.Blobs, err = blobhttp.New([]string{p.Blobs}, blobhttp.Options{}); err != nil {
		return c, err
	}
	c.Blocks = func(ctx context.Context) ([]crescendo.Hash, error) { return blockNames(ctx, url) }
	// Whether the ledger is on the archived chain is one of the claims.
	l, err := client.Dial(ctx, p.LedgerRPC, client.Options{ChainID: p.ChainID})
	if err != nil {
		return c, fmt.Errorf("reach the ledger at %s: %w", p.LedgerRPC, err)
	}
	c.Ledger = l
	if c.Genesis, err = l.Genesis(ctx); err != nil {
		return c, fmt.Errorf("ask the ledger for its genesis: %w", err)
	}
	return c, nil
}

func defaults() Config {
	return Config{Rules: program.Rules{Appraise: attest.Appraise}, Engine: native.New(1)}
}

// blockNames reads the archive's index page by page.
func blockNames(ctx context.Context, url string) ([]crescendo.Hash, error) {
	var names []crescendo.Hash
	for {
		var page archive.Blocks
		if err := get(ctx, fmt.Sprintf("%s/v1/blocks?from=%d", url, len(names)+1), &page); err != nil {
			return nil, err
		}
		names = append(names, page.Blobs...)
		if len(page.Blobs) == 0 || crescendo.Height(len(names)) >= page.Last {
			return names, nil
		}
		if len(names) > maxBlocks {
			return nil, fmt.Errorf("the archive lists more than %d blocks", maxBlocks)
		}
	}
}

func get(ctx context.Context, url string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return crescendo.Errorf(crescendo.CodeInvalid, "address %q: want http://host:port", url)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask archive: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return crescendo.Errorf(crescendo.CodeNotFound, "ask archive %s: %s", url, resp.Status).
			WithHint("is this the address of an archive? It stands in run.json of the home of `crescendo up`")
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxPage)).Decode(v); err != nil {
		return fmt.Errorf("ask archive %s: %w", url, err)
	}
	return nil
}
