package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/research/trial"
	"github.com/crescendo-network/crescendo/training/outer"
	"github.com/spf13/cobra"
)

// taskJSON is an evaluation task, before it is entered.
type taskJSON struct {
	Task        crescendo.Hash `json:"task"`
	Items       int            `json:"items"`
	Bytes       int            `json:"bytes"`
	Overlapping []int          `json:"overlapping_items"` // that repeat the corpus, from 1 in the task's order; null: the corpus is not known
}

func (c *cli) task() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use: "task FILE [--rung N]", Short: "Check an evaluation task and keep it for entering", Args: arguments("FILE"),
		Long: "Checks an evaluation task, JSON lines like {\"context\": \"2 + 2 is\", \"continuation\": \" 4\"}, keeps it in this home, and prints its name\n" +
			"for a recipe that says nothing but `name:` and `evaluation:`. With --rung it compares the text with the rung's corpus. Nobody sees the\n" +
			"task before the recipe that names it is shown.",
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := readFileArg(args[0])
			if err != nil {
				return err
			}
			task, err := programfile.ParseTask(args[0], data)
			if err != nil {
				return err
			}
			if err := keepTask(r.home, task); err != nil {
				return err
			}
			var reader *corpus.Reader
			if r.rung != 0 {
				conn, state, err := r.state(cmd.Context())
				if err != nil {
					return err
				}
				if reader, err = corpusOf(cmd.Context(), conn.Blobs, state, r.id()); err != nil {
					return err
				}
			}
			out, err := lookAtTask(cmd.Context(), reader, task)
			if err != nil {
				return err
			}
			return c.print(out, func(w writer) {
				writeTask(w, out)
				fmt.Fprintf(w, "enter it with a recipe of two lines:\n  name: what it asks\n  evaluation: %s\n", out.Task)
			})
		},
	}
	r.flags(cmd)
	cmd.Flags().Uint32Var(&r.rung, "rung", 0, "compare the text with this rung's corpus")
	return cmd
}

func writeTask(w writer, t taskJSON) {
	fmt.Fprintf(w, "task %s: %d items, %d bytes\n", t.Task.Short(), t.Items, t.Bytes)
	if t.Overlapping == nil {
		fmt.Fprintln(w, "  it was not compared with the corpus")
		return
	}
	fmt.Fprintf(w, "  %d items repeat %d bytes or more of the corpus: they count nothing", len(t.Overlapping), corpus.OverlapBytes)
	if len(t.Overlapping) > 0 {
		fmt.Fprintf(w, ": %v", t.Overlapping)
	}
	fmt.Fprintln(w)
}

// lookAtTask says what is known of a task; the reader may be nil.
func lookAtTask(ctx context.Context, reader *corpus.Reader, task research.EvaluationTask) (taskJSON, error) {
	out := taskJSON{Task: task.ID(), Items: len(task.Items)}
	var texts []string
	for _, item := range task.Items {
		out.Bytes += len(item.Context) + len(item.Continuation)
		texts = append(texts, item.Context+item.Continuation)
	}
	if reader == nil {
		return out, nil
	}
	known, err := reader.Overlapping(ctx, texts)
	out.Overlapping = []int{}
	for i, k := range known {
		if k {
			out.Overlapping = append(out.Overlapping, i+1)
		}
	}
	return out, err
}

// taskFile is where a task lies in a home.
func taskFile(dir string, task crescendo.Hash) string {
	return home.Home{Dir: dir}.Path("tasks", task.String()+".jsonl")
}

// keepTask puts a task away until the recipe that names it is entered. Whoever
// sees it before could enter it.
func keepTask(dir string, t research.EvaluationTask) error {
	data, err := programfile.WriteTask(t)
	if err != nil {
		return err
	}
	path := taskFile(dir, t.ID())
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keep task: %w", err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("keep task: %w", err)
	}
	return nil
}

// keptTask reads the task that a recipe names.
func keptTask(dir string, name crescendo.Hash) (research.EvaluationTask, error) {
	path := taskFile(dir, name)
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return research.EvaluationTask{}, crescendo.Errorf(crescendo.CodeNotFound, "evaluation: this home has no task %s", name.Short()).
			WithHint("run `crescendo research task FILE` with this home first, and name what it prints")
	}
	if err != nil {
		return research.EvaluationTask{}, fmt.Errorf("read task: %w", err)
	}
	t, err := programfile.ParseTask(path, data)
	if err == nil && t.ID() != name {
		err = crescendo.Errorf(crescendo.CodeInvalid, "read task %s: it holds the task %s", path, t.ID().Short())
	}
	return t, err
}

// checkEntry refuses an entry that the competition would, and returns the task
// that it contributes, if it is one.
func (r *remote) checkEntry(ctx context.Context, blobs blob.Store, state kv.Reader, spec program.Spec, at research.Contest, recipe research.Recipe) (*research.EvaluationTask, error) {
	if terms, _, err := spec.TermsOf(at); err != nil {
		return nil, err
	} else if terms.None() {
		return nil, crescendo.Errorf(crescendo.CodeInvalid, "enter %s: it has no competition", at).
			WithHint("the organiser chooses its recipe: see research register")
	}
	if !recipe.Evaluation.IsZero() {
		if err := spec.Fits(at, recipe); err != nil {
			return nil, err
		}
		task, err := keptTask(r.home, recipe.Evaluation)
		return &task, err
	}
	if _, err := trial.OutlookOf(spec, at, recipe); err != nil {
		return nil, err
	}
	_, err := lookAtData(ctx, blobs, state, spec, at, recipe)
	return nil, err
}

// previewTask says what entering a task would do.
func (c *cli) previewTask(ctx context.Context, dir string, spec program.Spec, at research.Contest, recipe research.Recipe, blobs blob.Store, state kv.Reader) error {
	if err := spec.Fits(at, recipe); err != nil {
		return err
	}
	task, err := keptTask(dir, recipe.Evaluation)
	if err != nil {
		return err
	}
	var reader *corpus.Reader
	var copied *crescendo.Hash
	if state != nil {
		if reader, err = corpusOf(ctx, blobs, state, at.Rung()); err != nil {
			return err
		}
		_, of, known, err := copyOf(state, recipe)
		if err != nil {
			return err
		}
		if known {
			copied = &of
		}
	}
	look, err := lookAtTask(ctx, reader, task)
	if err != nil {
		return err
	}
	t := spec.Rungs[at.Rung()-1].Competition
	out := map[string]any{"recipe": recipe.ID(), "task": look, "bond": t.Bond, "copy_of": copied, "tasks_bp": t.TasksBP}
	return c.print(out, func(w writer) {
		fmt.Fprintf(w, "recipe %s %q (not entered: this is a dry run)\n", recipe.ID().Short(), recipe.Name)
		writeTask(w, look)
		fmt.Fprintf(w, "  asked      of every recipe in halving stage %d, and kept if it tells the best from the baseline\n", t.Stages)
		fmt.Fprintf(w, "  earns      a share of %d.%02d %% of the prize, if it is kept\n", t.TasksBP/100, t.TasksBP%100)
		fmt.Fprintf(w, "  bond       %s, returned unless it is a copy or is never shown\n", t.Bond)
		if copied != nil {
			fmt.Fprintf(w, "  COPY       it asks what recipe %s asks: it would lose its bond\n", copied.Short())
		}
	})
}

// tokenizerJSON is how a recipe with its own tokenizer has the corpus cut.
type tokenizerJSON struct {
	Vocabulary  int            `json:"vocabulary"`
	SampleBytes int64          `json:"sample_bytes"`
	Corpus      crescendo.Hash `json:"corpus"` // packed again: what the rung would be trained on
	Tokens      int64          `json:"tokens"` // of training text
	Before      int64          `json:"tokens_of_corpus"`
}

// cutAgain packs a corpus with a recipe's tokenizer, if it has one.
func cutAgain(ctx context.Context, reader *corpus.Reader, how research.Tokenizer) (*corpus.Reader, *tokenizerJSON, error) {
	if how.None() {
		return reader, nil, nil
	}
	derived, err := reader.Derive(ctx, outer.Tokenization(how))
	if errors.Is(err, corpus.ErrBroken) {
		return nil, nil, crescendo.Errorf(crescendo.CodeInvalid, "tokenizer: %v", err).WithHint("its trials would have the worst loss there is; choose a smaller vocabulary")
	}
	if err != nil {
		return nil, nil, err
	}
	m := derived.Manifest()
	return derived, &tokenizerJSON{m.Vocab, m.Recipe.SampleBytes, derived.Hash(), m.Train.Tokens, reader.Manifest().Train.Tokens}, nil
}

func writeTokenizer(w writer, t *tokenizerJSON) {
	if t != nil {
		fmt.Fprintf(w, "  tokenizer  %d tokens, learned from %.1f MB: the training text is %d tokens, %d with the programme's\n",
			t.Vocabulary, float64(t.SampleBytes)/1e6, t.Tokens, t.Before)
	}
}

// taskResultJSON is what an evaluation task showed.
type taskResultJSON struct {
	Recipe crescendo.Hash    `json:"recipe"` // that contributed it
	Task   crescendo.Hash    `json:"task"`
	Name   string            `json:"name"`
	Author crescendo.Account `json:"author"`
	Items  uint32            `json:"items"`
	N      uint32            `json:"n"`
	Mean   float64           `json:"gain"` // of the best challenger over the baseline, nats per byte
	Low    float64           `json:"low"`
	High   float64           `json:"high"`
	Kept   bool              `json:"kept"`
	Losses []taskLossJSON    `json:"losses"`
}

type taskLossJSON struct {
	Recipe crescendo.Hash `json:"recipe"`
	Name   string         `json:"name"`
	Loss   float64        `json:"loss"` // nats per byte
}

// taskResultsOf lists what the evaluation tasks of a competition showed.
func taskResultsOf(state kv.Reader, at research.Contest) ([]taskResultJSON, error) {
	out := []taskResultJSON{}
	var failed error
	name := func(recipe crescendo.Hash) string {
		content, err := kv.Optional(research.Contents.Get(state, recipe[:]))
		failed = firstOf(failed, err)
		return content.Name
	}
	err := each(state, research.TaskResults, func(rest []byte, v research.TaskResult) {
		id := hashPart(rest)
		j := taskResultJSON{Recipe: id, Task: v.Task, Name: name(id), Author: v.Author, Items: v.Items, N: v.N, Mean: nats(v.Mean), Low: nats(v.Low), High: nats(v.High),
			Kept: v.Kept, Losses: []taskLossJSON{}}
		for _, l := range v.Losses {
			j.Losses = append(j.Losses, taskLossJSON{l.Recipe, name(l.Recipe), nats(int64(l.Loss))})
		}
		out = append(out, j)
	}, uint32(at))
	return out, firstOf(err, failed)
}

func writeTaskResults(w writer, rows []taskResultJSON) {
	if len(rows) == 0 {
		return
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "task\tname\tby\tgain of the best\t95 % bounds\tn\t")
	for _, v := range rows {
		mark := "not kept"
		if v.Kept {
			mark = "kept"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%+.4f\t%+.4f to %+.4f\t%d\t%s\n", v.Task.Short(), v.Name, v.Author, v.Mean, v.Low, v.High, v.N, mark)
	}
	tw.Flush()
	for _, v := range rows {
		fmt.Fprintf(w, "%s:", v.Task.Short())
		for _, l := range v.Losses {
			fmt.Fprintf(w, " %s %.4f", l.Name, l.Loss)
		}
		fmt.Fprintln(w, ", in nats per byte")
	}
}
