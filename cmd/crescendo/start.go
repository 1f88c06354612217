package main

import (
	"context"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/role/actor"
	"github.com/crescendo-network/crescendo/training"
	"github.com/spf13/cobra"
)

// startTraining packs what a rung trains on and starts it. Rungs after the
// first train on the first one's corpus.
func (c *cli) startTraining() *cobra.Command {
	var r remote
	var dir string
	var models []string
	var seed uint64
	cmd := &cobra.Command{
		Use: "start --rung N [--corpus DIR]", Short: "Publish what a funded rung trains on and start it (organiser)", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signer, err := r.signer()
			if err != nil {
				return err
			}
			s := screen{w: c.err, terminal: isTerminal(c.err)}
			return c.submit(cmd.Context(), &r, func(ctx context.Context, conn *node.Connection, _ crescendo.Account) ([]crescendo.Message, error) {
				spec, err := conn.Spec(ctx)
				if err != nil {
					return nil, err
				}
				organiser := actor.Organiser{Ledger: conn.Ledger, Signer: signer, Blobs: conn.Blobs, Spec: spec}
				organiser.Corpus = func(ctx context.Context) (actor.Corpus, error) {
					state, err := conn.Ledger.State(ctx)
					if err != nil {
						return actor.Corpus{}, err
					}
					// What trials read comes first: a recipe may have had it packed again.
					for _, rung := range []uint32{uint32(r.id()), 1} {
						if tried, err := kv.Optional(research.Texts.Get(state, rung)); err != nil || !tried.Corpus.IsZero() {
							return actor.Corpus{Manifest: tried.Corpus, Root: tried.Root}, err
						}
					}
					first, err := kv.Optional(training.Runs.Get(state, uint32(1)))
					if err != nil || !first.Corpus.IsZero() {
						return actor.Corpus{Manifest: first.Corpus, Root: first.Root}, err
					}
					pack, err := actor.Pack(ctx, spec, dir, models, seed, conn.Blobs, s.progress)
					if err != nil {
						return actor.Corpus{}, err
					}
					return actor.Corpus{Manifest: pack.Hash, Root: pack.Manifest.Root}, nil
				}
				start, err := organiser.Prepare(ctx, r.id())
				if err != nil {
					return nil, err
				}
				return one(start)
			})
		},
	}
	r.flags(cmd)
	r.keyFlag(cmd)
	r.rungFlag(cmd)
	cmd.Flags().StringVar(&dir, "corpus", "", "directory of text, source or JSONL (default: what the programme names)")
	cmd.Flags().StringArrayVar(&models, "model", nil, "folder of a model that a rung starts from")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "decides which documents are taken and held out")
	return cmd
}
