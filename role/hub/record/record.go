// Package record is the hub's read model: a SQLite file with every block it
// has seen and what happened in it, and in memory the state of the rules and
// all balances after the newest of them.
//
// Nothing in it is believed: blocks enter through an auditor's Replica, which
// checks the validators' signatures and executes every transaction again. And
// nothing in it is precious: whoever deletes the file gets the same one again
// from the archive. It answers typed questions; no SQL leaves the package.
package record

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	_ "github.com/ncruces/go-sqlite3/driver" // registers "sqlite3"

	"github.com/crescendo-network/crescendo"
)

// version of the schema; a file of another version is built again.
const version = "1"

const schema = `
create table if not exists meta (key text primary key, value text not null) without rowid;
create table if not exists block (
	height integer primary key, time integer not null, hash text not null, signed integer not null, validators integer not null,
	txs integer not null, events integer not null, wrong text not null, raw blob not null);
create table if not exists tx (
	hash text primary key, height integer not null, position integer not null, signer text not null, kinds text not null,
	code integer not null, log text not null) without rowid;
create index if not exists tx_signer on tx (signer, height);
create table if not exists event (
	id integer primary key, height integer not null, tx text not null, kind text not null, rung integer not null,
	round integer not null, attrs text not null);
create index if not exists event_rung on event (rung, id);
create index if not exists event_kind on event (kind, id);
create index if not exists event_round on event (rung, round, id);
create index if not exists event_height on event (height);
create table if not exists mention (account text not null, event integer not null, primary key (account, event)) without rowid;
create table if not exists payment (
	id integer primary key, height integer not null, tx text not null, sender text not null, receiver text not null, amount text not null);
create index if not exists payment_sender on payment (sender, id);
create index if not exists payment_receiver on payment (receiver, id);
`

// Store is the file.
type Store struct{ db *sql.DB }

// pragmas: a crash of the machine may lose the newest blocks, which are
// fetched again.
const pragmas = "?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_pragma=cache_size(-16000)"

// Open opens or makes the file for one chain. A file that is damaged, of
// another chain or of another version is deleted: it will be built again.
func Open(ctx context.Context, path, chainID, genesis string) (*Store, error) {
	s, err := open(ctx, path, chainID, genesis)
	if err == nil || ctx.Err() != nil {
		return s, err
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("delete old read model: %w", err)
		}
	}
	return open(ctx, path, chainID, genesis)
}

func open(ctx context.Context, path, chainID, genesis string) (_ *Store, err error) {
	db, err := sql.Open("sqlite3", "file:"+escape(path)+pragmas)
	if err != nil {
		return nil, fmt.Errorf("open read model %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			db.Close()
		}
	}()
	db.SetMaxOpenConns(4)
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, fmt.Errorf("open read model %s: %w", path, err)
	}
	s := &Store{db}
	for key, want := range map[string]string{"version": version, "chain": chainID, "genesis": genesis} {
		var got string
		if _, err := db.ExecContext(ctx, "insert or ignore into meta values (?, ?)", key, want); err != nil {
			return nil, fmt.Errorf("open read model %s: %w", path, err)
		}
		if err := db.QueryRowContext(ctx, "select value from meta where key = ?", key).Scan(&got); err != nil {
			return nil, fmt.Errorf("open read model %s: %w", path, err)
		}
		if got != want {
			return nil, fmt.Errorf("open read model %s: its %s is %.80q, want %.80q", path, key, got, want)
		}
	}
	return s, nil
}

// escape makes a path safe inside a file: URI.
func escape(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Last returns the newest height in the file; zero if it is empty.
func (s *Store) Last(ctx context.Context) (crescendo.Height, error) {
	var h sql.NullInt64
	err := s.db.QueryRowContext(ctx, "select max(height) from block").Scan(&h)
	return crescendo.Height(h.Int64), err
}

// Raw returns the canonical bytes of a block.
func (s *Store) Raw(ctx context.Context, height crescendo.Height) ([]byte, error) {
	var raw []byte
	err := s.db.QueryRowContext(ctx, "select raw from block where height = ?", int64(height)).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, crescendo.Errorf(crescendo.CodeNotFound, "block %d is not recorded", height)
	}
	return raw, err
}
