package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/research/trial"
	"github.com/crescendo-network/crescendo/training/outer"
)

// What samples are made of: the beginning of the held-out text, continued
// with the most likely tokens.
const (
	promptTokens = 24
	sampleTokens = 64
)

// order asks for one sample.
type order struct {
	rung       crescendo.RungID
	spec       program.Spec
	corpus     crescendo.Hash
	checkpoint crescendo.Hash
	tasks      []research.EvaluationTask // to be asked, too
}

// Sample is what a public checkpoint makes of the prompt.
type Sample struct {
	Round      crescendo.Round `json:"round"` // after which the checkpoint was made
	Checkpoint crescendo.Hash  `json:"checkpoint"`
	Prompt     string          `json:"prompt"`
	Text       string          `json:"text"`
	Note       string          `json:"note,omitempty"` // why there is no text

	answers []uint64 // losses on evaluation tasks, in micro-nats per byte
}

// samples decodes from public checkpoints, one after the other, in the
// background.
type samples struct {
	blobs  blob.Store
	engine engine.Engine // nil: none are made

	mu    sync.Mutex
	known map[crescendo.Hash]Sample // by checkpoint; guarded by mu
	asked chan order
}

const maxSamples = 1024

// goneNote is said of a checkpoint that retention has taken.
const goneNote = "the archive no longer has this checkpoint: it keeps the first, the last and every tenth"

func newSamples(blobs blob.Store, e engine.Engine) *samples {
	return &samples{blobs: blobs, engine: e, known: map[crescendo.Hash]Sample{}, asked: make(chan order, 16)}
}

// of returns a sample, or asks for it and says so.
func (s *samples) of(o order) Sample {
	if s.engine == nil {
		return Sample{Checkpoint: o.checkpoint, Note: "this hub makes no samples"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if x, ok := s.known[o.checkpoint]; ok {
		return x
	}
	x := Sample{Checkpoint: o.checkpoint, Note: "being decoded: look again in a moment"}
	if len(s.known) < maxSamples {
		select {
		case s.asked <- o:
			s.known[o.checkpoint] = x
		default:
		}
	}
	return x
}

// run makes samples until ctx ends, and tells after each.
func (s *samples) run(ctx context.Context, made func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-s.asked:
			x := Sample{Checkpoint: o.checkpoint}
			var err error
			x.Prompt, x.Text, x.answers, err = s.decode(ctx, o)
			switch {
			case errors.Is(err, blob.ErrNotFound):
				x.Note = goneNote
			case err != nil:
				x.Note = "it could not be decoded: " + err.Error()
			}
			s.mu.Lock()
			s.known[o.checkpoint] = x
			s.mu.Unlock()
			made()
		}
	}
}

// maxDecode bounds how large a checkpoint may be for this machine to decode
// it beside its other work.
const maxDecode = 256 << 20

func (s *samples) decode(ctx context.Context, o order) (prompt, text string, answers []uint64, err error) {
	p, err := outer.PlanOf(o.spec, o.rung)
	if err != nil {
		return "", "", nil, err
	}
	size := outer.VectorSize(p.Shape)
	if size > maxDecode {
		return "", "", nil, fmt.Errorf("a checkpoint of %d bytes is too large for the hub", size)
	}
	raw, err := s.blobs.Get(ctx, o.checkpoint, size)
	if err != nil {
		return "", "", nil, err
	}
	vector, err := outer.DecodeCheckpoint(p.Shape, raw)
	if err != nil {
		return "", "", nil, err
	}
	r, err := corpus.Open(ctx, s.blobs, o.corpus)
	if err != nil {
		return "", "", nil, err
	}
	window, err := r.HeldOut().Window(ctx, 0)
	if err != nil {
		return "", "", nil, err
	}
	window = window[:min(promptTokens, len(window), p.Shape.Context/2)]
	model, err := s.engine.New(p.Shape)
	if err != nil {
		return "", "", nil, err
	}
	copy(model.Params(), vector.Values)
	tokens, err := continued(ctx, model, window, min(sampleTokens, p.Shape.Context-len(window)))
	for _, task := range o.tasks {
		if err != nil {
			break
		}
		var loss uint64
		loss, err = trial.Ask(ctx, model, r, task)
		answers = append(answers, loss)
	}
	return string(r.Tokenizer().Decode(window)), string(r.Tokenizer().Decode(tokens)), answers, err
}

// continued appends the most likely tokens, again and again.
func continued(ctx context.Context, model engine.Model, prompt []int32, n int) ([]int32, error) {
	session, err := model.Session(len(prompt) + n)
	if err != nil {
		return nil, err
	}
	logits, err := session.Feed(prompt)
	var out []int32
	for len(out) < n && err == nil && ctx.Err() == nil {
		best := engine.Sample(logits, 0, 0, nil)
		if best < 0 {
			return out, errors.New("the logits are not numbers")
		}
		out = append(out, best)
		if len(out) < n {
			logits, err = session.Feed(out[len(out)-1:])
		}
	}
	return out, errors.Join(err, ctx.Err())
}
