package record

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/role/auditor"
)

// entry is a block on its way into the file.
type entry struct {
	raw  []byte
	step auditor.Step
}

// add writes blocks in one transaction: all or none.
func (s *Store) add(ctx context.Context, entries []entry) error {
	if len(entries) == 0 {
		return nil
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("record blocks: %w", err)
	}
	defer tx.Rollback()
	w, err := prepare(ctx, tx)
	if err != nil {
		return fmt.Errorf("record blocks: %w", err)
	}
	for _, e := range entries {
		if err := w.block(ctx, e); err != nil {
			return fmt.Errorf("record block %d: %w", e.step.Height, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("record blocks: %w", err)
	}
	return nil
}

// writer holds the prepared statements of one transaction.
type writer struct{ blocks, txs, events, mentions, payments *sql.Stmt }

func prepare(ctx context.Context, tx *sql.Tx) (writer, error) {
	var w writer
	for _, p := range []struct {
		to    **sql.Stmt
		query string
	}{
		{&w.blocks, "insert into block values (?, ?, ?, ?, ?, ?, ?, ?, ?)"},
		{&w.txs, "insert or ignore into tx values (?, ?, ?, ?, ?, ?, ?)"},
		{&w.events, "insert into event (height, tx, kind, rung, round, attrs) values (?, ?, ?, ?, ?, ?)"},
		{&w.mentions, "insert or ignore into mention values (?, ?)"},
		{&w.payments, "insert into payment (height, tx, sender, receiver, amount) values (?, ?, ?, ?, ?)"},
	} {
		stmt, err := tx.PrepareContext(ctx, p.query)
		if err != nil {
			return w, err
		}
		*p.to = stmt
	}
	return w, nil
}

func (w writer) block(ctx context.Context, e entry) error {
	s := e.step
	events := len(s.End)
	for _, t := range s.Txs {
		events += len(t.Events)
	}
	if _, err := w.blocks.ExecContext(ctx, int64(s.Height), s.Time, s.Hash, s.Signed, s.Of, len(s.Txs), events, strings.Join(s.Wrong, "\n"), e.raw); err != nil {
		return err
	}
	for i, t := range s.Txs {
		if _, err := w.txs.ExecContext(ctx, t.Hash, int64(s.Height), i, string(t.Signer), kinds(t), int64(t.Code), t.Log); err != nil {
			return err
		}
		if err := w.happened(ctx, s.Height, t.Hash, t.Events); err != nil {
			return err
		}
	}
	if err := w.happened(ctx, s.Height, "", s.End); err != nil {
		return err
	}
	for _, p := range s.Payments {
		if _, err := w.payments.ExecContext(ctx, int64(p.Height), p.Tx, string(p.From), string(p.To), p.Amount.String()); err != nil {
			return err
		}
	}
	return nil
}

func (w writer) happened(ctx context.Context, height crescendo.Height, tx string, events []crescendo.Event) error {
	for _, e := range events {
		attrs, err := json.Marshal(e.Attrs)
		if err != nil {
			return err
		}
		round, _ := strconv.ParseUint(e.Get("round"), 10, 32)
		r, err := w.events.ExecContext(ctx, int64(height), tx, e.Kind, int64(e.Rung), int64(round), string(attrs))
		if err != nil {
			return err
		}
		id, err := r.LastInsertId()
		if err != nil {
			return err
		}
		for _, a := range e.Attrs {
			if !isAccount(a.Value) {
				continue
			}
			if _, err := w.mentions.ExecContext(ctx, a.Value, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// isAccount tells accounts and pots from other values of events.
func isAccount(s string) bool {
	return len(s) < 100 && (strings.HasPrefix(s, "cresc1") || strings.HasPrefix(s, "@"))
}

// kinds names what a transaction asks for: "funding.MsgContribute".
func kinds(t auditor.StepTx) string {
	var out []string
	for _, m := range t.Messages {
		url := strings.TrimPrefix(m.TypeURL(), "/")
		parts := strings.Split(url, ".")
		if len(parts) >= 3 && parts[0] == "crescendo" {
			url = parts[1] + "." + parts[len(parts)-1]
		}
		out = append(out, url)
	}
	return strings.Join(out, ", ")
}
