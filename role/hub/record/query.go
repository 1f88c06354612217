package record

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/crescendo-network/crescendo"
)

// maxRows bounds every answer.
const maxRows = 1000

// Happening is an event with its place.
type Happening struct {
	ID     int64            `json:"id"`
	Height crescendo.Height `json:"height"`
	Time   int64            `json:"time"` // Unix milliseconds, of the block
	Tx     string           `json:"tx,omitempty"`
	Event  crescendo.Event  `json:"event"`
}

// Filter selects events. Zero fields do not restrict.
type Filter struct {
	Rung    crescendo.RungID
	Round   crescendo.Round
	Account crescendo.Account // that the event names
	Kinds   []string          // a trailing dot stands for all of a rule: "research."
	Height  crescendo.Height
	Before  int64 // only events with smaller ids
	Limit   int
	Oldest  bool // first events first, instead of last first
}

// Events lists events.
func (s *Store) Events(ctx context.Context, f Filter) ([]Happening, error) {
	q := "select e.id, e.height, b.time, e.tx, e.kind, e.rung, e.attrs from event e join block b on b.height = e.height"
	var where []string
	var args []any
	and := func(clause string, values ...any) { where, args = append(where, clause), append(args, values...) }
	if f.Account != "" {
		q += " join mention m on m.event = e.id"
		and("m.account = ?", string(f.Account))
	}
	if f.Rung != 0 {
		and("e.rung = ?", int64(f.Rung))
	}
	if f.Round != 0 {
		and("e.round = ?", int64(f.Round))
	}
	if f.Height != 0 {
		and("e.height = ?", int64(f.Height))
	}
	if f.Before != 0 {
		and("e.id < ?", f.Before)
	}
	if len(f.Kinds) > 0 {
		var any []string
		for _, k := range f.Kinds {
			if strings.HasSuffix(k, ".") {
				any, args = append(any, "(e.kind >= ? and e.kind < ?)"), append(args, k, strings.TrimSuffix(k, ".")+"/")
			} else {
				any, args = append(any, "e.kind = ?"), append(args, k)
			}
		}
		where = append(where, "("+strings.Join(any, " or ")+")")
	}
	if len(where) > 0 {
		q += " where " + strings.Join(where, " and ")
	}
	if f.Oldest {
		q += " order by e.id limit ?"
	} else {
		q += " order by e.id desc limit ?"
	}
	return s.happenings(ctx, q, append(args, limit(f.Limit))...)
}

func limit(n int) int {
	if n <= 0 || n > maxRows {
		return maxRows
	}
	return n
}

func (s *Store) happenings(ctx context.Context, q string, args ...any) ([]Happening, error) {
	rows, err := s.db.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	defer rows.Close()
	out := []Happening{}
	for rows.Next() {
		var h Happening
		var attrs string
		if err := rows.Scan(&h.ID, &h.Height, &h.Time, &h.Tx, &h.Event.Kind, &h.Event.Rung, &attrs); err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
		if err := json.Unmarshal([]byte(attrs), &h.Event.Attrs); err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
		out = append(out, h)
	}
	return out, rows.Err()
}

// Block is a recorded block without its contents.
type Block struct {
	Height     crescendo.Height `json:"height"`
	Time       int64            `json:"time"` // Unix milliseconds
	Hash       string           `json:"hash"`
	Signed     int              `json:"signed"`
	Validators int              `json:"validators"`
	Txs        int              `json:"txs"`
	Events     int              `json:"events"`
	Wrong      string           `json:"wrong,omitempty"` // where execution disagrees with the record
}

const blockColumns = "height, time, hash, signed, validators, txs, events, wrong"

// Block returns a block.
func (s *Store) Block(ctx context.Context, height crescendo.Height) (Block, error) {
	var b Block
	err := s.db.QueryRowContext(ctx, "select "+blockColumns+" from block where height = ?", int64(height)).
		Scan(&b.Height, &b.Time, &b.Hash, &b.Signed, &b.Validators, &b.Txs, &b.Events, &b.Wrong)
	if errors.Is(err, sql.ErrNoRows) {
		return b, crescendo.Errorf(crescendo.CodeNotFound, "block %d is not recorded", height).WithHint("the newest block stands at the foot of every page")
	}
	return b, err
}

// Tx is a recorded transaction.
type Tx struct {
	Hash     string            `json:"hash"`
	Height   crescendo.Height  `json:"height"`
	Position int               `json:"position"` // in its block
	Signer   crescendo.Account `json:"signer"`
	Kinds    string            `json:"kinds"`
	Code     uint32            `json:"code"`
	Log      string            `json:"log,omitempty"`
}

const txColumns = "hash, height, position, signer, kinds, code, log"

// Tx finds a transaction by the hash of its bytes, in hexadecimal digits.
func (s *Store) Tx(ctx context.Context, hash string) (Tx, error) {
	found, err := s.txs(ctx, "select "+txColumns+" from tx where hash = ?", strings.ToUpper(hash))
	if err == nil && len(found) == 0 {
		return Tx{}, crescendo.Errorf(crescendo.CodeNotFound, "no transaction %.64s is recorded", hash).
			WithHint("a transaction appears here one block after it was included")
	}
	if err != nil {
		return Tx{}, err
	}
	return found[0], nil
}

// Txs lists the transactions of a block, or the last ones of a signer.
func (s *Store) Txs(ctx context.Context, height crescendo.Height, signer crescendo.Account, n int) ([]Tx, error) {
	if height != 0 {
		return s.txs(ctx, "select "+txColumns+" from tx where height = ? order by position limit ?", int64(height), limit(n))
	}
	return s.txs(ctx, "select "+txColumns+" from tx where signer = ? order by height desc, position desc limit ?", string(signer), limit(n))
}

func (s *Store) txs(ctx context.Context, q string, args ...any) ([]Tx, error) {
	rows, err := s.db.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, fmt.Errorf("read transactions: %w", err)
	}
	defer rows.Close()
	out := []Tx{}
	for rows.Next() {
		var t Tx
		if err := rows.Scan(&t.Hash, &t.Height, &t.Position, &t.Signer, &t.Kinds, &t.Code, &t.Log); err != nil {
			return nil, fmt.Errorf("read transactions: %w", err)
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

// Payment is a recorded transfer.
type Payment struct {
	ID     int64             `json:"id"`
	Height crescendo.Height  `json:"height"`
	Time   int64             `json:"time"`
	Tx     string            `json:"tx,omitempty"`
	From   crescendo.Account `json:"from"`
	To     crescendo.Account `json:"to"`
	Amount crescendo.Amount  `json:"amount"`
}

// Payments lists the transfers to and from an account, first ones first,
// after a given id.
func (s *Store) Payments(ctx context.Context, who crescendo.Account, after int64, n int) ([]Payment, error) {
	rows, err := s.db.QueryContext(ctx, `select p.id, p.height, b.time, p.tx, p.sender, p.receiver, p.amount
		from payment p join block b on b.height = p.height where (p.sender = ?1 or p.receiver = ?1) and p.id > ?2 order by p.id limit ?3`,
		string(who), after, limit(n))
	if err != nil {
		return nil, fmt.Errorf("read payments: %w", err)
	}
	defer rows.Close()
	out := []Payment{}
	for rows.Next() {
		var p Payment
		var amount string
		if err := rows.Scan(&p.ID, &p.Height, &p.Time, &p.Tx, &p.From, &p.To, &amount); err != nil {
			return nil, fmt.Errorf("read payments: %w", err)
		}
		if p.Amount, err = crescendo.ParseAmount(amount); err != nil {
			return nil, fmt.Errorf("read payments: %w", err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}
