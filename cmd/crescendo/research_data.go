package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/outer"
	"github.com/spf13/cobra"
)

// dataJSON says what a recipe would be trained on.
type dataJSON struct {
	Documents    int               `json:"documents"`
	Bytes        int64             `json:"bytes"`
	Windows      int               `json:"windows"`
	AllWindows   int               `json:"windows_of_corpus"` // without mix, filter and contributed text
	Contribution *contributionJSON `json:"contribution"`      // null: it adds no text
	Tokenizer    *tokenizerJSON    `json:"tokenizer"`         // null: the programme's
}

// contributionJSON says what is drawn of contributed text, and what is not.
type contributionJSON struct {
	Shard       crescendo.Hash `json:"shard"`
	Documents   int            `json:"documents"`
	Windows     int            `json:"windows"` // that are drawn
	HeldOut     int            `json:"held_out_documents"`
	Known       int            `json:"known_documents"`
	Overlapping int            `json:"overlapping_windows"`
}

func dataOf(s corpus.Summary, c corpus.Choice, all int) *dataJSON {
	d := &dataJSON{Documents: s.Documents, Bytes: s.Bytes, Windows: s.Windows, AllWindows: all}
	if !c.Shard.IsZero() {
		d.Contribution = &contributionJSON{c.Shard, s.Contributed, s.ContributedWindows, s.HeldOut, s.Known, s.Overlapping}
	}
	return d
}

// lookAtData opens a rung's corpus and finds what a recipe would be trained on;
// nil while the corpus is not named. What nobody could train on is refused.
func lookAtData(ctx context.Context, blobs blob.Store, state kv.Reader, spec program.Spec, at research.Contest, recipe research.Recipe) (*dataJSON, error) {
	reader, err := corpusOf(ctx, blobs, state, at.Rung())
	if reader == nil || err != nil {
		return nil, err
	}
	_, rung, err := spec.TermsOf(at)
	if err != nil {
		return nil, err
	}
	effective, err := program.Effective(spec, rung, recipe)
	if err != nil {
		return nil, err
	}
	plan, err := outer.PlanOf(effective, rung)
	if err != nil {
		return nil, err
	}
	reader, cut, err := cutAgain(ctx, reader, recipe.Tokenizer)
	if err != nil {
		return nil, err
	}
	text, err := plan.Text(ctx, reader)
	if errors.Is(err, corpus.ErrChoice) {
		return nil, crescendo.Errorf(crescendo.CodeInvalid, "%v", err).
			WithHint("its trials would have the worst loss there is; leave more documents in, or pack the shard with `crescendo research shard`")
	}
	if err != nil {
		return nil, err
	}
	all, err := reader.Choose(ctx, corpus.Choice{}, plan.Shape.Context)
	if err != nil {
		return nil, err
	}
	out := dataOf(text.Summary, plan.Choice, all.Windows())
	out.Tokenizer = cut
	return out, nil
}

// corpusOf opens the text of a rung; nil if it is not named yet.
func corpusOf(ctx context.Context, blobs blob.Store, state kv.Reader, rung crescendo.RungID) (*corpus.Reader, error) {
	named, err := kv.Optional(research.Texts.Get(state, uint32(rung)))
	if err != nil {
		return nil, err
	}
	manifest := named.Corpus
	if manifest.IsZero() {
		run, err := kv.Optional(training.Runs.Get(state, uint32(rung)))
		if err != nil {
			return nil, err
		}
		manifest = run.Corpus
	}
	if manifest.IsZero() {
		return nil, nil
	}
	return corpus.Open(ctx, blobs, manifest)
}

func writeData(w writer, d *dataJSON) {
	if d == nil {
		return
	}
	fmt.Fprintf(w, "  text       %d documents, %.1f MB: %d windows; the corpus has %d\n", d.Documents, float64(d.Bytes)/1e6, d.Windows, d.AllWindows)
	writeTokenizer(w, d.Tokenizer)
	c := d.Contribution
	if c == nil {
		return
	}
	fmt.Fprintf(w, "  shard      %s: %d windows are drawn of %d documents", c.Shard.Short(), c.Windows, c.Documents)
	if c.HeldOut+c.Known+c.Overlapping > 0 {
		fmt.Fprintf(w, "; not drawn: %d documents that are held out, %d that the corpus has, %d windows that repeat held-out text", c.HeldOut, c.Known, c.Overlapping)
	}
	fmt.Fprintln(w)
}

func (c *cli) packShard() *cobra.Command {
	var r remote
	var spdx string
	var seed uint64
	cmd := &cobra.Command{
		Use: "shard DIR --rung N --spdx ID", Short: "Pack text that a recipe contributes, and store it", Args: arguments("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if spdx == "" {
				return usagef("--spdx: say under which licence the text may be used, for example CC0-1.0")
			}
			ctx := cmd.Context()
			conn, state, err := r.state(ctx)
			if err != nil {
				return err
			}
			reader, err := corpusOf(ctx, conn.Blobs, state, r.id())
			if err != nil {
				return err
			}
			if reader == nil {
				return crescendo.Errorf(crescendo.CodeWrongTime, "pack a shard for rung %d: its corpus is not named yet", r.rung).
					WithHint("the shard takes its tokenizer; try again when the organiser has named it")
			}
			source := corpus.Directory(args[0])
			source.SPDX = spdx
			return c.storeShard(ctx, conn, reader, source, seed)
		},
	}
	r.flags(cmd)
	r.rungFlag(cmd)
	cmd.Flags().StringVar(&spdx, "spdx", "", "SPDX identifier of the text's licence (a LICENSE file in DIR is stored, too)")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "decides which files are taken if there is more text than a shard may have")
	return cmd
}

// shardJSON is packed text for a recipe.
type shardJSON struct {
	Shard   crescendo.Hash `json:"shard"`
	Bytes   int64          `json:"bytes"`
	Tokens  int64          `json:"tokens"`
	Licence string         `json:"licence"`
	contributionJSON
}

func (c *cli) storeShard(ctx context.Context, conn *node.Connection, reader *corpus.Reader, source corpus.Source, seed uint64) error {
	pack, err := corpus.Build(ctx, source, corpus.Options{
		Store: conn.Blobs, Tokenizer: reader.Tokenizer(), Context: reader.Manifest().Context,
		MaxBytes: corpus.MaxContributionBytes, Contribution: true, Seed: seed,
	}, nil)
	if err != nil {
		return err
	}
	choice := corpus.Choice{Shard: pack.Hash}
	text, err := reader.Choose(ctx, choice, reader.Manifest().Context)
	if err != nil {
		return err
	}
	m := pack.Manifest
	d := dataOf(text.Summary, choice, 0)
	out := shardJSON{pack.Hash, m.Train.Bytes, m.Train.Tokens, m.Licence.SPDX, *d.Contribution}
	return c.print(out, func(w writer) {
		fmt.Fprintf(w, "packed %d documents, %.1f MB, %d tokens under %s\n", m.Train.Documents, float64(m.Train.Bytes)/1e6, m.Train.Tokens, m.Licence.SPDX)
		fmt.Fprintf(w, "  %d windows can be drawn; not drawn: %d documents that are held out, %d that the corpus has, %d windows that repeat held-out text\n",
			out.Windows, out.HeldOut, out.Known, out.Overlapping)
		fmt.Fprintf(w, "write into a recipe: shard: %s\nits documents lie under %s for the recipe's mix\n", pack.Hash, corpus.ContributionPrefix)
	})
}
