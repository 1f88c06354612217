package relay_test

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/attest"
	"github.com/crescendo-network/crescendo/attest/sim"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/role/keeper"
	"github.com/crescendo-network/crescendo/role/proxy"
	"github.com/crescendo-network/crescendo/role/relay"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/outer"
)

const chainID = attest.DevelopmentPrefix + "vault-test"

// world is a ledger that stands right before sealing, with everybody who
// seals and serves.
type world struct {
	settleEvery time.Duration // of relays; zero: 100 ms
	t           *testing.T
	dir         string
	spec        program.Spec
	plan        outer.Plan
	chain       *memory.Chain
	blobs       *blob.Memory
	checkpoint  []float32
	held        []int32 // a held-out window
	organiser   *memory.Signer
	operator    *memory.Signer
	keeper      *memory.Signer
	client      *memory.Signer
	logs        *logBuffer
}

// logBuffer collects what everybody logs, for looking at and searching.
type logBuffer struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// vaultBinary builds crescendo-vault once per test run.
var vaultBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "crescendo-vault-test")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "crescendo-vault")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "github.com/crescendo-network/crescendo/cmd/crescendo-vault")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build vault: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if kind := os.Getenv(childEnv); kind != "" {
		if err := runChild(kind); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if path, err := vaultBinary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func newWorld(t *testing.T, change func(*program.Spec)) *world {
	t.Helper()
	w := &world{
		t: t, dir: t.TempDir(), blobs: blob.NewMemory(), logs: &logBuffer{},
		organiser: memory.NewSigner("organiser"), operator: memory.NewSigner("operator"),
		keeper: memory.NewSigner("keeper"), client: memory.NewSigner("client"),
	}
	spec, _, err := programfile.Load(filepath.Join("..", "..", "programs", "smoke.yaml"))
	w.must(err)
	spec.Organiser, spec.Simulated = w.organiser.Account(), true
	spec.Rungs = spec.Rungs[:1]
	r := &spec.Rungs[0]
	r.Model = program.Model{Dim: 32, Layers: 2, Heads: 2, KVHeads: 2, FFN: 64, Context: 96, Tied: true}
	spec.Corpus.Vocabulary = 512
	r.Sealing.FinalSteps = 4
	r.Inference = program.Inference{InputPrice: 1000, OutputPrice: 2000, GraceBlocks: 10}
	if change != nil {
		change(&spec)
	}
	w.spec = spec
	w.plan, err = outer.PlanOf(spec, 1)
	w.must(err)
	run := w.train()
	const raised = 100_000
	balances := map[crescendo.Account]crescendo.Amount{
		w.organiser.Account(): 1_000_000, w.operator.Account(): 1_000_000, w.keeper.Account(): 1_000_000,
		w.client.Account(): 1_000_000_000, crescendo.Pot("funding", 1): raised,
	}
	w.chain, err = memory.New(memory.Options{ChainID: chainID}, program.Rules{Appraise: attest.AppraiseVouched}, func(s kv.Store) error {
		return errors.Join(
			program.Genesis(s, spec),
			program.Rungs.Set(s, program.RungState{Stage: program.StageSealing}, uint32(1)),
			funding.Raises.Set(s, funding.Raise{Status: funding.Succeeded, SoftCap: 1, HardCap: raised, Raised: raised, Holders: 1}, uint32(1)),
			funding.Positions.Set(s, funding.Position{Shares: raised}, uint32(1), string(w.client.Account())),
			training.Runs.Set(s, run, uint32(1)),
			revenue.OpenBook(crescendo.Env{ChainID: chainID}, s, 1, raised*3/2, raised),
		)
	}, balances)
	w.must(err)
	w.background("blocks", func(ctx context.Context) error {
		for ctx.Err() == nil {
			if _, err := w.chain.Advance(); err != nil {
				return err
			}
			time.Sleep(30 * time.Millisecond)
		}
		return nil
	})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.tail())
	}
}

func (w *world) tail() string {
	s := w.logs.String()
	return s[max(0, len(s)-4000):]
}

// train makes a corpus and a last public checkpoint.
func (w *world) train() training.Run {
	dir := filepath.Join(w.dir, "corpus")
	w.must(os.MkdirAll(dir, 0o755))
	docs := 40
	if w.plan.Shape.Context > 256 {
		docs = 160
	}
	for i := range docs {
		text := strings.Repeat(fmt.Sprintf("Document %d tells of the sea, the wind and the number %d.\n", i, i*i), 12)
		w.must(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.txt", i)), []byte(text), 0o644))
	}
	pack, err := corpus.Build(w.t.Context(), corpus.Directory(dir), corpus.Options{
		Store: w.blobs, Vocab: int(w.spec.Corpus.Vocabulary), Context: w.plan.Shape.Context, HeldOutPerMille: 150, Seed: 1,
	}, nil)
	w.must(err)
	reader, err := corpus.Open(w.t.Context(), w.blobs, pack.Hash)
	w.must(err)
	w.held, err = reader.HeldOut().Window(w.t.Context(), 0)
	w.must(err)
	e := native.New(1)
	m, err := e.New(w.plan.Shape)
	w.must(err)
	engine.InitParams(w.plan.Shape, m.Params(), 7)
	w.checkpoint = append([]float32(nil), m.Params()...)
	data, err := outer.EncodeCheckpoint(w.plan.Shape, outer.Vector{Rung: 1, Round: crescendo.Round(w.plan.Rounds), Values: w.checkpoint})
	w.must(err)
	final, err := w.blobs.Put(w.t.Context(), data)
	w.must(err)
	return training.Run{Phase: training.Finished, Round: crescendo.Round(w.plan.Rounds), Corpus: pack.Hash, Base: final, Final: final}
}

// background runs a role until the test ends or the returned function is
// called.
func (w *world) background(name string, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			w.t.Errorf("%s: %v", name, err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(stop)
	return stop
}

func (w *world) log(role string) *slog.Logger {
	return slog.New(slog.NewTextHandler(w.logs, nil)).With("role", role)
}

func (w *world) allow(binary string) {
	measurement, err := sim.Measure(binary)
	w.must(err)
	_, err = w.chain.Submit(w.t.Context(), w.organiser, &sealing.MsgAllow{Sender: w.organiser.Account(), Measurement: measurement})
	w.must(err)
}

func (w *world) startKeeper() {
	_, err := w.chain.Submit(w.t.Context(), w.organiser, &sealing.MsgRegisterKeeper{Sender: w.organiser.Account(), Keeper: w.keeper.Account()})
	w.must(err)
	w.background("keeper", func(ctx context.Context) error {
		return keeper.Run(ctx, keeper.Config{Ledger: w.chain, Signer: w.keeper, Home: filepath.Join(w.dir, "keeper"), Log: w.log("keeper")})
	})
}

// runningRelay is a relay and what it last said of itself.
type runningRelay struct {
	stop func()
	mu   sync.Mutex
	now  relay.Status
}

func (r *runningRelay) status() relay.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (w *world) startRelay(binary, listen string) *runningRelay {
	r := &runningRelay{}
	_, key, err := ed25519.GenerateKey(nil)
	w.must(err)
	r.stop = w.background("relay", func(ctx context.Context) error {
		return relay.Run(ctx, relay.Config{
			Ledger: w.chain, Signer: w.operator, Blobs: w.blobs, Prover: relay.Vouching{Ledger: w.chain, Key: key},
			Vault: binary, Home: filepath.Join(w.dir, "relay"), Listen: listen, Log: w.log("relay"), Stderr: w.logs,
			SettleEvery: cmp.Or(w.settleEvery, 100*time.Millisecond),
			Changed: func(s relay.Status) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.now = s
			},
		})
	})
	return r
}

// startProxy returns the proxy's base URL.
func (w *world) startProxy(relayAddress string, change func(*proxy.Config)) (url string, stop func()) {
	ready := make(chan string, 1)
	cfg := proxy.Config{
		Ledger: w.chain, Signer: w.client, Relay: relayAddress, Blobs: w.blobs, Home: filepath.Join(w.dir, "proxy"),
		Log: w.log("proxy"), Ready: func(a string) { ready <- a },
	}
	if change != nil {
		change(&cfg)
	}
	stop = w.background("proxy", func(ctx context.Context) error { return proxy.Run(ctx, cfg) })
	select {
	case a := <-ready:
		return "http://" + a + "/v1/", stop
	case <-time.After(10 * time.Second):
		w.t.Fatal("proxy does not come up")
		return "", nil
	}
}

func (w *world) until(what string, limit time.Duration, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(limit); !ok(); {
		if time.Now().After(end) {
			w.t.Fatalf("waited %v for: %s\n%s", limit, what, w.tail())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (w *world) session(id uint64) inference.Session {
	w.t.Helper()
	state, err := w.chain.State(w.t.Context())
	w.must(err)
	s, err := inference.Sessions.Get(state, id)
	w.must(err)
	return s
}

func (w *world) seal() sealing.Seal {
	w.t.Helper()
	state, err := w.chain.State(w.t.Context())
	w.must(err)
	s, err := sealing.Seals.Get(state, uint32(1))
	w.must(err)
	return s
}

// serving brings up everybody and waits until the rung is served.
func serving(t *testing.T, change func(*program.Spec)) (*world, *runningRelay, string) {
	t.Helper()
	binary, err := vaultBinary()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, change)
	w.allow(binary)
	w.startKeeper()
	r := w.startRelay(binary, "")
	w.until("rung 1 is served", 60*time.Second, func() bool { return len(r.status().Serving) == 1 })
	return w, r, binary
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}
