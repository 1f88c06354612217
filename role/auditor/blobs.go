package auditor

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/sealing"
)

// blobs checks that blobs are what their names say: in a store at hand all of
// them, else those that the ledger refers to and nothing else has read.
func (a *audit) blobs(ctx context.Context) error {
	if a.AllBlobs {
		return a.everyBlob(ctx)
	}
	for i := range a.exec.spec.Rungs {
		id := uint32(i + 1)
		adopted, err := research.Adoptions.Get(a.exec.store, id)
		if err == nil && a.exec.spec.Rungs[i].Competition.None() {
			err = a.blob(ctx, adopted.Recipe, fmt.Sprintf("recipe of rung %d", id))
		}
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		seal, err := sealing.Seals.Get(a.exec.store, id)
		if err == nil {
			err = errors.Join(a.blob(ctx, seal.Container, fmt.Sprintf("container of rung %d", id)),
				a.blob(ctx, seal.Manifest, fmt.Sprintf("manifest of rung %d", id)))
		}
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
	}
	return nil
}

func (a *audit) blob(ctx context.Context, h crescendo.Hash, what string) error {
	_, err := a.Blobs.Get(ctx, h, 0)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	a.findings.settle(Recomputed, err, "%s (blob %s)", what, h)
	return nil
}

// everyBlob reads all blobs of the store.
func (a *audit) everyBlob(ctx context.Context) error {
	roles, err := a.roles()
	if err != nil {
		return err
	}
	var names []crescendo.Hash
	for h, err := range a.Blobs.List(ctx) {
		if err != nil {
			return err
		}
		names = append(names, h)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(a.Threads)
	for i, h := range names {
		g.Go(func() error {
			_, err := a.Blobs.Get(ctx, h, 0)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if errors.Is(err, blob.ErrNotFound) {
				return nil // an archive at work clears away what is superseded
			}
			role := roles[h]
			if role == "" {
				role = "not referred to"
			}
			a.findings.settle(Recomputed, err, "blob %s (%s)", h, role)
			if i%64 == 0 || i == len(names)-1 {
				a.Progress("blobs", i+1, len(names))
			}
			return nil
		})
	}
	return g.Wait()
}

// roles says what the ledger uses blobs for.
func (a *audit) roles() (map[crescendo.Hash]string, error) {
	out := map[crescendo.Hash]string{}
	for i := range a.exec.spec.Rungs {
		id := crescendo.RungID(i + 1)
		if adopted, err := research.Adoptions.Get(a.exec.store, uint32(id)); err == nil && a.exec.spec.Rungs[i].Competition.None() {
			out[adopted.Recipe] = fmt.Sprintf("recipe of rung %d", id)
		}
		if seal, err := sealing.Seals.Get(a.exec.store, uint32(id)); err == nil {
			out[seal.Container] = fmt.Sprintf("container of rung %d", id)
			out[seal.Manifest] = fmt.Sprintf("manifest of rung %d", id)
		}
		r, err := readRung(a.exec.store, a.genesis.ChainID, a.exec.spec, id)
		if err != nil {
			return nil, err
		}
		if r != nil {
			r.roles(out)
		}
	}
	for i, h := range a.blockBlobs {
		out[h] = fmt.Sprintf("block %d", i+1)
	}
	delete(out, crescendo.Hash{})
	return out, nil
}

func (r *rung) roles(out map[crescendo.Hash]string) {
	out[r.run.Corpus] = fmt.Sprintf("corpus of rung %d", r.id)
	out[r.run.Start] = fmt.Sprintf("initial checkpoint of rung %d", r.id)
	for _, x := range r.rounds {
		for _, w := range x.works {
			out[w.Payload] = fmt.Sprintf("payload of %s in round %d of rung %d", w.account, x.number, r.id)
			out[w.Start] = fmt.Sprintf("start state of %s in round %d of rung %d", w.account, x.number, r.id)
			out[w.End] = fmt.Sprintf("end state of %s in round %d of rung %d", w.account, x.number, r.id)
		}
		out[x.Update] = fmt.Sprintf("update of round %d of rung %d", x.number, r.id)
		out[x.Checkpoint] = fmt.Sprintf("checkpoint of round %d of rung %d", x.number, r.id)
		out[x.Error] = fmt.Sprintf("aggregator error of round %d of rung %d", x.number, r.id)
	}
}
