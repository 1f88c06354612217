package node

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	blobfile "github.com/crescendo-network/crescendo/blob/file"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/role/archive"
)

// ArchiveConfig says what an archive keeps and for which ledger.
type ArchiveConfig struct {
	Home      string
	Programme archive.Programme
	AllowPut  bool
	Token     string
	Keep      bool
	Log       *slog.Logger
}

// OpenArchive opens the archive seat over a directory of blobs and a ledger.
func OpenArchive(ctx context.Context, c ArchiveConfig) (*archive.Archive, error) {
	h, err := home.Open(c.Home)
	if err != nil {
		return nil, err
	}
	store, err := blobfile.Open(h.Path("blobs"), blobfile.Options{})
	if err != nil {
		return nil, err
	}
	l, err := dial(ctx, c.Programme.LedgerRPC, c.Programme.ChainID, c.Programme.Trust)
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	return archive.New(archive.Config{
		Store: store, Ledger: l, Source: l, Programme: c.Programme, Index: filepath.Join(h.Dir, "blocks.index"),
		AllowPut: c.AllowPut, Token: c.Token, Keep: c.Keep, Log: c.Log,
	})
}
