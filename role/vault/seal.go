package vault

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"slices"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/vault/calls"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/sealing/container"
	"github.com/crescendo-network/crescendo/sealing/keyshare"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/assign"
	"github.com/crescendo-network/crescendo/training/outer"
)

// The last steps warm the model up again, to reheat times the learning rate that
// training ended with, and let it cool down: at the rate of the end alone the
// sealed model would answer as the public checkpoint does. They are tried
// attempts times, each time at half the rate, until they do not raise the
// held-out loss.
const (
	reheat   = 4
	attempts = 4
)

const maxCheckpoint = 64 << 30

// believe returns a reader of state in which the ledger accepts this vault.
// The vault's own fresh keys in it prove that it is no older than they are.
func (v *Vault) believe(ctx context.Context) (kv.Reader, error) {
	state := v.ledger.at(ctx)
	record, err := sealing.Vaults.Get(state, v.id[:])
	if errors.Is(err, kv.ErrNotFound) {
		return nil, crescendo.Errorf(crescendo.CodeForbidden, "vault %s is not in the proved state: it believes none without its own keys in it", v.id.Short())
	}
	if err != nil {
		return nil, fmt.Errorf("read own record: %w", err)
	}
	if record.Denied || record.Operator != v.operator {
		return nil, crescendo.Errorf(crescendo.CodeForbidden, "vault %s has been denied", v.id.Short())
	}
	return state, nil
}

// job is a rung's last stretch of training.
type job struct {
	rung  crescendo.RungID
	spec  program.Spec
	plan  outer.Plan
	run   training.Run
	data  *corpus.Reader
	model engine.Model
	base  []float32
	held  []int32 // held-out sequences, joined
	count int     // of them
}

// seal does a rung's last steps and seals the result. It publishes ciphertext
// and returns what the ledger needs to know; the weights stay here.
func (v *Vault) seal(ctx context.Context, a calls.SealArgs) (calls.SealReply, error) {
	v.heavy.Lock()
	defer v.heavy.Unlock()
	var reply calls.SealReply
	state, err := v.believe(ctx)
	if err != nil {
		return reply, err
	}
	if _, err := sealing.Seals.Get(state, uint32(a.Rung)); err == nil {
		return reply, crescendo.Errorf(crescendo.CodeDuplicate, "seal rung %d: it is sealed already", a.Rung)
	} else if !errors.Is(err, kv.ErrNotFound) {
		return reply, fmt.Errorf("read seal of rung %d: %w", a.Rung, err)
	}
	j, err := v.prepare(ctx, state, a.Rung)
	if err != nil {
		return reply, fmt.Errorf("prepare rung %d: %w", a.Rung, err)
	}
	recipients, err := keepers(state, a.Keepers)
	if err != nil {
		return reply, err
	}
	if reply.Before, reply.After, err = j.finish(ctx); err != nil {
		return reply, fmt.Errorf("last steps of rung %d: %w", a.Rung, err)
	}
	m, msg, err := v.close(ctx, j, recipients)
	if err != nil {
		return reply, fmt.Errorf("seal rung %d: %w", a.Rung, err)
	}
	msg.Loss = reply.After
	sum := sealing.SealDigest(v.chain, msg)
	msg.Signature = ed25519.Sign(v.signKey, sum[:])
	v.mu.Lock()
	v.sealed[a.Rung] = m
	v.mu.Unlock()
	reply.Message = msg
	return reply, nil
}

// prepare fetches and verifies everything the last steps start from.
func (v *Vault) prepare(ctx context.Context, state kv.Reader, rung crescendo.RungID) (*job, error) {
	j := &job{rung: rung}
	var err error
	if j.spec, err = program.Planned(state, rung); err != nil {
		return nil, err
	}
	if j.run, err = training.Runs.Get(state, uint32(rung)); err != nil {
		return nil, fmt.Errorf("read training: %w", err)
	}
	if j.run.Final.IsZero() {
		return nil, crescendo.Errorf(crescendo.CodeWrongTime, "training is not over")
	}
	if j.plan, err = outer.PlanOf(j.spec, rung); err != nil {
		return nil, err
	}
	blobs := hostBlobs{v.conn}
	raw, err := blobs.Get(ctx, j.run.Final, maxCheckpoint)
	if err != nil {
		return nil, err
	}
	checkpoint, err := outer.DecodeCheckpoint(j.plan.Shape, raw)
	if err != nil {
		return nil, err
	}
	j.base = checkpoint.Values
	if j.data, err = corpus.Open(ctx, blobs, j.run.Corpus); err != nil {
		return nil, err
	}
	open := func(ctx context.Context, h crescendo.Hash) (*corpus.Reader, error) { return corpus.Open(ctx, blobs, h) }
	if err := outer.CheckCorpus(ctx, j.spec, rung, state, j.run.Corpus, open); err != nil {
		return nil, err
	}
	if j.model, err = v.engine.New(j.plan.Shape); err != nil {
		return nil, err
	}
	return j, j.holdOut(ctx)
}

// holdOut reads the held-out sequences that losses are measured on, spread
// over the whole split.
func (j *job) holdOut(ctx context.Context) error {
	split, err := j.data.HeldOut().WithContext(j.plan.Shape.Context)
	if err != nil {
		return err
	}
	windows := assign.Spread(int(j.plan.HeldOut), split.Windows())
	if j.count = len(windows); j.count == 0 {
		return errors.New("the corpus holds nothing out")
	}
	for _, i := range windows {
		if j.held, err = split.AppendWindow(ctx, j.held, i); err != nil {
			return err
		}
	}
	return nil
}

// loss is the held-out loss per token, in micro-nats.
func (j *job) loss() (crescendo.MicroNats, error) {
	seq := j.plan.Shape.Context
	sums, err := j.model.Loss(j.held, j.count, seq)
	if err != nil {
		return 0, err
	}
	total := int64(0)
	for _, s := range sums {
		total += s
	}
	return crescendo.MicroNats(total / int64(j.count*seq)), nil
}

// finish trains from the last public checkpoint on batches that nobody outside
// can know: could they be guessed, the sealed weights could be recomputed.
func (j *job) finish(ctx context.Context) (before, after crescendo.MicroNats, err error) {
	copy(j.model.Params(), j.base)
	if before, err = j.loss(); err != nil {
		return 0, 0, err
	}
	rate := float32(reheat)
	for range attempts {
		if err := j.train(ctx, rate); err != nil {
			return 0, 0, err
		}
		if after, err = j.loss(); err != nil {
			return 0, 0, err
		}
		if after <= before {
			return before, after, nil
		}
		rate /= 2
	}
	return before, after, nil
}

func (j *job) train(ctx context.Context, rate float32) error {
	copy(j.model.Params(), j.base)
	j.model.ResetOptimizer()
	text, err := j.plan.Text(ctx, j.data)
	if err != nil {
		return err
	}
	rng, err := secretDraws()
	if err != nil {
		return err
	}
	first := int(j.plan.Rounds * j.plan.Steps)
	steps := int(j.spec.Rungs[j.rung-1].Sealing.FinalSteps)
	var batch []int32
	for s := range steps {
		windows := make([]int, j.plan.Sequences)
		for i := range windows {
			windows[i] = rng.IntN(text.Windows())
		}
		if batch, err = outer.Gather(ctx, batch[:0], text, windows, j.plan.Shape.Context); err != nil {
			return err
		}
		o, cool := j.plan.Optimizer, rate*float32(steps-s)/float32(steps)
		o.LR, o.MatrixLR = o.LR*cool, o.MatrixLR*cool
		if _, err := j.model.Step(batch, int(j.plan.Sequences), j.plan.Shape.Context, o, first+s); err != nil {
			return fmt.Errorf("step %d: %w", s+1, err)
		}
	}
	return nil
}

// secretDraws is a generator whose seed is drawn here and kept nowhere.
func secretDraws() (*mathrand.Rand, error) {
	var seed [32]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("draw secret seed: %w", err)
	}
	return mathrand.New(mathrand.NewChaCha8(seed)), nil
}

// keepers verifies the keepers that the host names. It may leave some out,
// which costs availability, not secrecy.
func keepers(state kv.Reader, accounts []crescendo.Account) ([]keyshare.Recipient, error) {
	if len(accounts) > sealing.MaxKeepers {
		return nil, crescendo.Errorf(crescendo.CodeInvalid, "%d keepers, limit %d", len(accounts), sealing.MaxKeepers)
	}
	accounts = slices.Compact(slices.Sorted(slices.Values(accounts)))
	var out []keyshare.Recipient
	for _, account := range accounts {
		k, err := sealing.Keepers.Get(state, string(account))
		if errors.Is(err, kv.ErrNotFound) {
			return nil, crescendo.Errorf(crescendo.CodeForbidden, "%s is no keeper", account)
		}
		if err != nil {
			return nil, fmt.Errorf("read keeper %s: %w", account, err)
		}
		if len(k.SealKey) > 0 {
			out = append(out, keyshare.Recipient{Keeper: account, SealKey: k.SealKey})
		}
	}
	if len(out) == 0 {
		return nil, crescendo.Errorf(crescendo.CodeNotFound, "no keeper is ready to hold a key").
			WithHint("appoint a keeper and let it register its sealing key")
	}
	return out, nil
}

// close encrypts the weights, hands the ciphertext to the host and deals the
// key to the keepers.
func (v *Vault) close(ctx context.Context, j *job, recipients []keyshare.Recipient) (*model, sealing.MsgSeal, error) {
	key, err := keyshare.NewKey(rand.Reader)
	if err != nil {
		return nil, sealing.MsgSeal{}, err
	}
	defer key.Erase()
	params := j.model.Params()
	header := container.Header{Size: uint64(4 * len(params)), Chain: v.chain, Rung: j.rung, Seal: 1, Base: j.run.Final}
	var out bytes.Buffer
	if header, err = container.Seal(&out, rand.Reader, key, header, newWeightReader(params)); err != nil {
		return nil, sealing.MsgSeal{}, err
	}
	shape, err := json.Marshal(j.plan.Shape)
	if err != nil {
		return nil, sealing.MsgSeal{}, fmt.Errorf("describe shape: %w", err)
	}
	manifest := container.Manifest{
		Version: 1, Chain: v.chain, Rung: j.rung, Seal: 1,
		Container: blob.Sum(out.Bytes()), Size: uint64(out.Len()), Base: j.run.Final, Corpus: j.run.Corpus,
		KeyCheck: key.Check(), Tokenizer: j.data.Manifest().Tokenizer, Shape: string(shape),
		Licence: licence(j.data.Manifest()), Steps: j.spec.Rungs[j.rung-1].Sealing.FinalSteps,
	}
	blobs := hostBlobs{v.conn}
	for _, data := range [][]byte{out.Bytes(), manifest.Encode()} {
		if _, err := blobs.Put(ctx, data); err != nil {
			return nil, sealing.MsgSeal{}, err
		}
	}
	topic := keyshare.Topic{Chain: v.chain, Rung: j.rung, Version: 1, KeyCheck: key.Check()}
	shares, err := keyshare.Deal(key, topic, recipients)
	if err != nil {
		return nil, sealing.MsgSeal{}, err
	}
	msg := sealing.MsgSeal{
		Sender: v.operator, Rung: j.rung, Vault: v.id, Version: 1, Base: j.run.Final,
		Container: manifest.Container, Manifest: blob.Sum(manifest.Encode()), KeyCheck: key.Check(),
		Steps: manifest.Steps, Shares: shares,
	}
	m := &model{
		weights: j.model, shape: j.plan.Shape, answers: j.spec.Rungs[j.rung-1].Inference.Weights,
		tokenizer: j.data.Tokenizer(), check: key.Check(), container: manifest.Container,
	}
	return m, msg, nil
}

func licence(m *corpus.Manifest) string { return strings.ToValidUTF8(m.Licence.SPDX, "") }

// weightReader reads parameters as little-endian float32, without a second
// copy of them.
type weightReader struct {
	params []float32
	buf    []byte
	rest   []byte
}

func newWeightReader(params []float32) *weightReader {
	return &weightReader{params: params, buf: make([]byte, 64<<10)}
}

// Read implements io.Reader.
func (w *weightReader) Read(p []byte) (int, error) {
	if len(w.rest) == 0 {
		if len(w.params) == 0 {
			clear(w.buf)
			return 0, io.EOF
		}
		n := min(len(w.params), len(w.buf)/4)
		_, err := binary.Encode(w.buf, binary.LittleEndian, w.params[:n])
		if err != nil {
			return 0, err
		}
		w.params, w.rest = w.params[n:], w.buf[:4*n]
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}
