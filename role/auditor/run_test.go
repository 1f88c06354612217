package auditor

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/blob/file"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/evaluation"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/role/evaluator"
	"github.com/crescendo-network/crescendo/role/trainer"
	"github.com/crescendo-network/crescendo/role/trainer/freerider"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/sealing/container"
	"github.com/crescendo-network/crescendo/sealing/keyshare"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/outer"
)

const chainID = "crescendo-dev-audit"

// rules appraise evidence of the form "measurement" + binding.
func rules() program.Rules {
	return program.Rules{Appraise: func(evidence, binding []byte, simulated bool, _ string, _ int64) (sealing.Appraisal, error) {
		n := len(evidence) - len(binding)
		if n <= 0 || string(evidence[n:]) != string(binding) || !simulated {
			return sealing.Appraisal{}, fmt.Errorf("not bound to these keys")
		}
		return sealing.Appraisal{Kind: "sim", Assurance: "simulated", Measurement: evidence[:n], Trust: sealing.Trust{Kind: sealing.TrustKey}}, nil
	}}
}

func testSpec() program.Spec {
	return program.Spec{
		Name: "test", Denom: "udemo", Simulated: true, Organiser: signer("organiser").Account(),
		Corpus:     program.Corpus{Source: "test", Vocabulary: 320, HeldOutPerMille: 100},
		Evaluation: program.Evaluation{MinEvaluators: 2, Bond: 10_000, Sequences: 6},
		Rungs: []program.Rung{{
			Name:  "one",
			Model: program.Model{Dim: 16, Layers: 1, Heads: 2, KVHeads: 2, FFN: 32, Context: 16, Tied: true},
			Raise: program.Raise{SoftCap: 10_000, HardCap: 1_000_000, Blocks: 100_000},
			Training: program.Training{Rounds: 3, Steps: 4, Sequences: 4, Eager: 2, MinTrainers: 3, Seats: 12, Keep: 2, Codec: "q2",
				Probation: 100, AuditPerMille: 500, Bond: 1_000, CommitBlocks: 3000, RevealBlocks: 3000, VoteBlocks: 3000,
				TrainersBP: 6_000, EvaluatorsBP: 1_000, OperatorBP: 1_000,
				Optimizer: program.Optimizer{Kind: "muon", LRMillionths: 24_000, MatrixLRMillionths: 20_000, Beta1Millionths: 900_000,
					Beta2Millionths: 999_000, WeightDecayMillionths: 100_000, MomentumMillionths: 950_000, ClipMillionths: 1_000_000, WarmupBP: 500, FinalBP: 1000}},
			Sealing:   program.Sealing{Policy: program.SealedUntilRepaid, FinalSteps: 4},
			Inference: program.Inference{InputPrice: 1_000_000, OutputPrice: 2_000_000, GraceBlocks: 5},
			Revenue:   program.Revenue{OperatorsBP: 1_000, HoldersBP: 5_000, HoldersCapBP: 12_000, ContributorsBP: 3_000, RoyaltyBP: 1_000},
		}},
	}
}

func signer(name string) *memory.Signer { return memory.NewSigner(name) }

// recording is a programme that has been played once and left its archive.
type recording struct {
	genesis []byte
	blobs   *blob.Memory
	blocks  []light.Block
	key     ed25519.PrivateKey
	ledger  *recorder
}

var (
	honest = []string{"ada", "bob", "cyd"}
	rider  = "rex" // works a quarter of its steps
	judges = []string{"eva", "eli"}
)

// record plays a programme from raise to claim, once for all tests.
var record = sync.OnceValues(func() (*recording, error) {
	ctx, stop := context.WithTimeout(context.Background(), 3*time.Minute)
	dir, err := os.MkdirTemp("", "auditor")
	if err != nil {
		stop()
		return nil, err
	}
	defer os.RemoveAll(dir)
	p := &play{ctx: ctx, blobs: blob.NewMemory(), dir: dir}
	defer p.wg.Wait()
	defer stop()
	balances := map[crescendo.Account]crescendo.Amount{}
	for _, name := range append([]string{"organiser", "fred", "gina", "operator", "carl", "kim", rider}, append(honest, judges...)...) {
		balances[signer(name).Account()] = 10_000_000
	}
	if p.ledger, err = newRecorder(chainID, testSpec(), rules(), balances); err != nil {
		return nil, err
	}
	blocks := make(chan struct{})
	running, halt := context.WithCancel(ctx)
	go func() { p.ledger.run(running); close(blocks) }()
	err = p.all()
	halt()
	<-blocks
	// A forged history may leave a window to an evaluator who did not replay it
	// there, which is undecided until the deadline; how many blocks a machine
	// has made by now must not matter.
	for range evaluation.ReplayBlocks {
		p.ledger.advance()
	}
	return &recording{p.ledger.genesis, p.blobs, p.ledger.blocks, p.ledger.key, p.ledger}, err
})

type play struct {
	ctx    context.Context
	ledger *recorder
	blobs  *blob.Memory
	dir    string
	wg     sync.WaitGroup
}

func (p *play) all() error {
	if err := p.begin(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(p.ctx)
	defer stop()
	for _, name := range judges {
		p.wg.Go(func() {
			evaluator.Run(ctx, evaluator.Config{Ledger: p.ledger, Signer: signer(name), Blobs: p.blobs, Engine: native.New(1), Name: name, Rung: 1})
		})
	}
	for _, name := range append([]string{rider}, honest...) {
		local, err := file.Open(filepath.Join(p.dir, name, "blobs"), file.Options{})
		if err != nil {
			return err
		}
		c := trainer.Config{Ledger: p.ledger, Signer: signer(name), Blobs: p.blobs, Local: local, Engine: native.New(1), Name: name,
			Home: filepath.Join(p.dir, name), Rung: 1}
		if name == rider {
			if c.Craft, err = freerider.New("quarter"); err != nil {
				return err
			}
		}
		p.wg.Go(func() { trainer.Run(ctx, c) })
	}
	if err := p.until(program.StageSealing); err != nil {
		return err
	}
	return p.serve()
}

// until waits for the rung's stage.
func (p *play) until(stage program.Stage) error {
	for height := crescendo.Height(1); ; height++ {
		if _, err := p.ledger.Next(p.ctx, height); err != nil {
			return fmt.Errorf("wait for %s: %w", stage, err)
		}
		s, err := p.ledger.State(p.ctx)
		if err != nil {
			return err
		}
		if at, err := program.StateOf(s, 1); err != nil || at.Stage >= stage {
			return err
		}
	}
}

func (p *play) send(name string, msgs ...crescendo.Message) error {
	_, err := p.ledger.Submit(p.ctx, signer(name), msgs...)
	if err != nil {
		err = fmt.Errorf("%T by %s: %w", msgs[0], name, err)
	}
	return err
}

func (p *play) begin() error {
	text := filepath.Join(p.dir, "text")
	if err := os.MkdirAll(text, 0o700); err != nil {
		return err
	}
	for i := range 60 {
		var b strings.Builder
		for j := range 60 {
			fmt.Fprintf(&b, "document %d says that line %d follows line %d and has %d words\n", i, j+1, j, (i*j)%17)
		}
		if err := os.WriteFile(filepath.Join(text, fmt.Sprintf("%03d.txt", i)), []byte(b.String()), 0o600); err != nil {
			return err
		}
	}
	spec := testSpec()
	pack, err := corpus.Build(p.ctx, corpus.Directory(text), corpus.Options{
		Store: p.blobs, Vocab: int(spec.Corpus.Vocabulary), Context: int(spec.Rungs[0].Model.Context), HeldOutPerMille: int(spec.Corpus.HeldOutPerMille),
	}, nil)
	if err != nil {
		return err
	}
	plan, err := outer.PlanOf(spec, 1)
	if err != nil {
		return err
	}
	checkpoint, aggregatorError, err := outer.Initial(chainID, plan)
	if err != nil {
		return err
	}
	names := map[string]crescendo.Hash{}
	for what, data := range map[string][]byte{"base": checkpoint, "error": aggregatorError, "recipe": []byte("recipe")} {
		if names[what], err = p.blobs.Put(p.ctx, data); err != nil {
			return err
		}
	}
	organiser, fred := signer("organiser").Account(), signer("fred").Account()
	if err := p.send("organiser", &program.MsgOpenRaise{Sender: organiser, Rung: 1}); err != nil {
		return err
	}
	if p.send("fred", &funding.MsgContribute{Sender: fred, Rung: 1, Amount: 2_000_000}) == nil {
		return fmt.Errorf("a contribution above the hard cap was taken")
	}
	if err := p.send("fred", &funding.MsgContribute{Sender: fred, Rung: 1, Amount: 600_000}); err != nil {
		return err
	}
	if err := p.send("gina", &funding.MsgContribute{Sender: signer("gina").Account(), Rung: 1, Amount: 400_000}); err != nil {
		return err
	}
	if err := p.until(program.StageCompeting); err != nil {
		return err
	}
	return p.send("organiser", &research.MsgRegister{Sender: organiser, Rung: 1, Recipe: names["recipe"]},
		&research.MsgAdopt{Sender: organiser, Rung: 1, Recipe: names["recipe"]},
		&training.MsgStart{Sender: organiser, Rung: 1, Corpus: pack.Hash, Root: pack.Manifest.Root, Base: names["base"], Error: names["error"]})
}

// serve seals what was trained, sells some of it, and shares the revenue.
func (p *play) serve() error {
	operator, client := signer("operator").Account(), signer("carl").Account()
	key := ed25519.NewKeyFromSeed(slices.Repeat([]byte{7}, 32))
	public, sealKey := []byte(key.Public().(ed25519.PublicKey)), slices.Repeat([]byte{9}, 40)
	binding := sealing.EvidenceBinding(chainID, operator, public, sealKey, crescendo.Hash{})
	organiser, kim := signer("organiser").Account(), signer("kim").Account()
	if err := p.send("organiser", &sealing.MsgAllow{Sender: organiser, Measurement: []byte("good")}, &sealing.MsgRegisterKeeper{Sender: organiser, Keeper: kim}); err != nil {
		return err
	}
	if err := p.send("kim", &sealing.MsgRegisterKeeper{Sender: kim, SealKey: []byte("kim's key")}); err != nil {
		return err
	}
	if err := p.send("operator", &sealing.MsgRegisterVault{Sender: operator, Evidence: append([]byte("good"), binding...), SignKey: public, SealKey: sealKey}); err != nil {
		return err
	}
	s, err := p.ledger.State(p.ctx)
	if err != nil {
		return err
	}
	run, err := training.Runs.Get(s, uint32(1))
	if err != nil {
		return err
	}
	vault := sealing.VaultID(public, sealKey)
	weights, loss, secret, err := p.finish(run)
	if err != nil {
		return err
	}
	seal := &sealing.MsgSeal{Sender: operator, Rung: 1, Vault: vault, Version: 1, Base: run.Final, Container: weights, Manifest: weights,
		KeyCheck: secret.Check(), Steps: 4, Loss: loss, Shares: []sealing.Share{{Keeper: kim, Sealed: []byte("share")}}}
	sum := sealing.SealDigest(chainID, *seal)
	seal.Signature = ed25519.Sign(key, sum[:])
	if err := p.send("operator", seal); err != nil {
		return err
	}
	if err := p.send("carl", &inference.MsgOpen{Sender: client, Rung: 1, Vault: vault, Escrow: 9_500_000, Key: public}); err != nil {
		return err
	}
	var receipts []inference.SignedReceipt
	var last inference.Receipt
	for i := range uint64(3) {
		r := inference.Receipt{Chain: chainID, Session: 1, Sequence: i + 1, Requests: i + 1, Input: 1000 * (i + 1), Output: 1000 * (i + 1),
			Charged: crescendo.Amount(3_000_000 * (i + 1))}
		if i > 0 {
			r.Previous = inference.Digest(last)
		}
		sum := inference.Digest(r)
		receipts, last = append(receipts, inference.SignedReceipt{Receipt: r, Signature: ed25519.Sign(key, sum[:])}), r
	}
	if err := p.send("operator", &inference.MsgSettle{Sender: operator, Receipts: receipts[:2]}); err != nil {
		return err
	}
	if err := p.send("operator", &inference.MsgSettle{Sender: operator, Receipts: receipts[2:], Final: true}); err != nil {
		return err
	}
	for _, name := range []string{"fred", "ada", "operator"} {
		if err := p.send(name, &revenue.MsgClaim{Sender: signer(name).Account(), Rung: 1}); err != nil {
			return err
		}
	}
	return p.send("gina", &sealing.MsgPublishKey{Sender: signer("gina").Account(), Rung: 1, Key: secret.Bytes()}) // repaid to the cap
}

// finish is what the vault does: last steps, here a nudge, and the container.
func (p *play) finish(run training.Run) (name crescendo.Hash, loss crescendo.MicroNats, key keyshare.Key, err error) {
	plan, err := outer.PlanOf(testSpec(), 1)
	if err != nil {
		return name, 0, key, err
	}
	raw, err := p.blobs.Get(p.ctx, run.Final, 0)
	if err != nil {
		return name, 0, key, err
	}
	final, err := outer.DecodeCheckpoint(plan.Shape, raw)
	if err != nil {
		return name, 0, key, err
	}
	model, err := native.New(1).New(plan.Shape)
	if err != nil {
		return name, 0, key, err
	}
	var plain []byte
	for i, v := range final.Values {
		model.Params()[i] = v * 1.01
		plain = binary.LittleEndian.AppendUint32(plain, math.Float32bits(model.Params()[i]))
	}
	if key, err = keyshare.KeyFromBytes(slices.Repeat([]byte{5}, sealing.KeySize)); err != nil {
		return name, 0, key, err
	}
	var out bytes.Buffer
	header := container.Header{Size: uint64(len(plain)), Chain: chainID, Rung: 1, Seal: 1, Base: run.Final}
	if _, err = container.Seal(&out, rand.Reader, key, header, bytes.NewReader(plain)); err != nil {
		return name, 0, key, err
	}
	if name, err = p.blobs.Put(p.ctx, out.Bytes()); err != nil {
		return name, 0, key, err
	}
	reader, err := corpus.Open(p.ctx, p.blobs, run.Corpus)
	if err != nil {
		return name, 0, key, err
	}
	held := reader.HeldOut()
	var tokens []int32
	n := int(plan.HeldOut)
	for i := range n {
		if tokens, err = held.AppendWindow(p.ctx, tokens, i*held.Windows()/n); err != nil {
			return name, 0, key, err
		}
	}
	losses, err := model.Loss(tokens, n, plan.Shape.Context)
	for _, l := range losses {
		loss += crescendo.MicroNats(l)
	}
	return name, loss / crescendo.MicroNats(n*plan.Shape.Context), key, err
}

// stored is what an auditor gets: a store of its own, so that tests may
// damage it.
type stored struct {
	*blob.Memory
	names []crescendo.Hash
}

func archiveOf(t testing.TB, from *blob.Memory, blocks []light.Block) *stored {
	t.Helper()
	ctx := context.Background()
	a := &stored{Memory: blob.NewMemory()}
	for h, err := range iter.Seq2[crescendo.Hash, error](from.List(ctx)) {
		if err != nil {
			t.Fatal(err)
		}
		data, err := from.Get(ctx, h, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Put(ctx, data); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range blocks {
		name, err := a.Put(ctx, b.Encode())
		if err != nil {
			t.Fatal(err)
		}
		a.names = append(a.names, name)
	}
	return a
}

func (a *stored) config(r *recording) Config {
	return Config{Genesis: r.genesis, Blobs: a, Rules: rules(), Engine: native.New(1), Threads: 2, AllBlobs: true,
		Blocks: func(context.Context) ([]crescendo.Hash, error) { return a.names, nil }}
}

func recorded(t testing.TB) *recording {
	t.Helper()
	r, err := record()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func audited(t testing.TB, c Config) Report {
	t.Helper()
	report, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return report
}
