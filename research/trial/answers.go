package trial

import (
	"context"
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/training/outer"
)

// Asking adds the evaluation tasks of the task's competition, which its last
// halving stage asks about.
func (t Task) Asking(r kv.Reader, n Name, c research.Competition) (Task, error) {
	if n.Stage != t.Spec.Rungs[t.Rung-1].Competition.Stages {
		return t, nil
	}
	tasks, err := research.TasksOf(r, c)
	t.Questions = tasks
	return t, err
}

// Answers counts the losses of a result that are of evaluation tasks: the last
// ones.
func (t Task) Answers() (n int) {
	for _, q := range t.Questions {
		n += len(q.Items)
	}
	return n
}

// answer returns what the model's losses on the items of all tasks are: the
// nats of the continuation after the context, in micro-nats. An item that
// repeats the corpus counts zero.
func (t Task) answer(ctx context.Context, model engine.Model, context int, asks Text) ([]uint64, error) {
	text, ok := asks.(packed)
	if !ok {
		return nil, errors.New("only a packed corpus has a tokenizer to ask with")
	}
	var items []research.TaskItem
	var texts []string
	for _, q := range t.Questions {
		for _, item := range q.Items {
			items, texts = append(items, item), append(texts, item.Context+item.Continuation)
		}
	}
	known, err := text.base().Overlapping(ctx, texts)
	if err != nil {
		return nil, err
	}
	out := make([]uint64, len(items))
	for i, item := range items {
		if known[i] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		before, after := text.reader.Question(item.Context, item.Continuation)
		loss, err := surprise(model, before, after, context)
		if err != nil {
			return nil, fmt.Errorf("score item %d of evaluation tasks: %w", i+1, err)
		}
		out[i] = min(max(1, loss), worstLoss*uint64(len(item.Continuation)))
	}
	return out, nil
}

// surprise is the loss of the tokens after, given those before. The model sees
// at most its context; what is asked for is taken in steps of half of it, so
// that each token has at least as much before it where there is any.
func surprise(model engine.Model, before, after []int32, context int) (uint64, error) {
	all := append(append([]int32{}, before...), after...)
	var sum int64
	for from := len(before); from < len(all); {
		to := min(len(all), from+max(1, context/2))
		start := max(0, to-context-1)
		with, err := model.Loss(all[start:to], 1, to-start-1)
		if err != nil {
			return 0, err
		}
		sum += with[0]
		if from-start > 1 {
			without, err := model.Loss(all[start:from], 1, from-start-1)
			if err != nil {
				return 0, err
			}
			sum -= without[0]
		}
		from = to
	}
	return uint64(max(0, sum)), nil
}

// inOwnTokens is the text as the task's recipe has it cut: as it is, or derived
// with the recipe's tokenizer.
func (t Task) inOwnTokens(ctx context.Context, text Text) (Text, error) {
	how := t.Spec.Rungs[t.Rung-1].Training.Tokenizer
	if how.None() {
		return text, nil
	}
	p, ok := text.(packed)
	if !ok {
		return nil, errors.New("only a packed corpus can be cut by another tokenizer")
	}
	return p.derive(ctx, how)
}

// derive is the corpus of a recipe's tokenizer.
func (p packed) derive(ctx context.Context, how research.Tokenizer) (Text, error) {
	reader, err := p.reader.Derive(ctx, outer.Tokenization(how))
	if errors.Is(err, corpus.ErrBroken) {
		return nil, fmt.Errorf("%w: %w", errCut, err)
	}
	if err != nil {
		return nil, err
	}
	return packed{reader: reader, from: p.reader}, nil
}

// asked is how a model is asked for held-out windows: in its own tokens.
func asked(text Text, heldOut outer.Windows) outer.Windows {
	if p, ok := text.(packed); ok && p.from != nil {
		return recut{windows: heldOut, text: p}
	}
	return heldOut
}

type recut struct {
	windows outer.Windows
	text    packed
}

func (r recut) Windows() int { return r.windows.Windows() }

func (r recut) Window(ctx context.Context, i int) ([]int32, error) {
	window, err := r.windows.Window(ctx, i)
	if err != nil {
		return nil, err
	}
	return r.text.reader.Recut(r.text.from, window), nil
}

// errCut means that the recipe's tokenizer leaves nothing to train on: everybody
// finds so.
var errCut = errors.New("the corpus cannot be cut by this tokenizer")

// Ask tells how well a model does on an evaluation task: its mean loss over the
// bytes of the continuations, in micro-nats, items that repeat the corpus left
// out. The reader is of the corpus that the model was trained on.
func Ask(ctx context.Context, model engine.Model, reader *corpus.Reader, task research.EvaluationTask) (uint64, error) {
	k := Task{Questions: []research.EvaluationTask{task}}
	losses, err := k.answer(ctx, model, model.Shape().Context, packed{reader: reader})
	if err != nil {
		return 0, err
	}
	var sum, size uint64
	for i, l := range losses {
		if l > 0 {
			sum, size = sum+l, size+uint64(len(task.Items[i].Continuation))
		}
	}
	return sum / max(1, size), nil
}
