// Package up plays a programme on one machine: it starts the ledger, the
// archive and all seats as real processes, carries the programme through its
// stages as its organiser, and, unless told otherwise, plays its investors and
// claimers as demo actors. Everything it does next follows from the ledger, so
// that it may be killed and started again.
package up

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/node/narrate"
	"github.com/crescendo-network/crescendo/node/plan"
	"github.com/crescendo-network/crescendo/node/report"
	"github.com/crescendo-network/crescendo/node/supervise"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/role/actor"
	"github.com/crescendo-network/crescendo/role/archive"
)

// Config says what to play and how.
type Config struct {
	Home      home.Home
	Spec      program.Spec // organiser and assurance are filled in
	Demo      programfile.Demo
	Seed      uint64
	Rungs     int      // rungs to play; 0: all that fit
	Exit      bool     // stop after the last of them
	Actors    bool     // play investors, trainers, clients and the organiser's steps
	CorpusDir string   // text to pack instead of the programme's source
	Models    []string // folders of models that rungs start from
	BlockMS   int      // wait after a block in which nothing happened; 0: 210, which makes one about every 250 ms
	HubPort   int      // of the web site, or the next free one; 0: any; negative: no web site
	Verbose   bool     // show every event
	Engine    engine.Engine
	Machine   plan.Machine
	Wiring    Wiring
	Say       func(format string, args ...any) // a line for people
	Progress  func(stage string, done, total int)
}

// Wiring is what `up` needs of the drivers, which only package node names.
type Wiring struct {
	// Dial reaches a ledger and verifies what it says from the trusted block on.
	Dial func(ctx context.Context, rpc, chainID string, trust archive.Trust) (ledger.Ledger, error)
	// Blobs reaches an archive's blobs.
	Blobs func(url string) (blob.Store, error)
	// Signer makes the key file if it is not there, from the secret, and loads it.
	Signer func(path string, secret crescendo.Hash) (ledger.Signer, error)
	// Measure returns the measurement of a vault program.
	Measure func(path string) ([]byte, error)
}

// run is one run of `up`.
type run struct {
	Config
	began    time.Time
	net      *network
	cast     *cast
	signers  map[crescendo.Account]ledger.Signer
	launcher launcher
	sup      *supervise.Supervisor
	rungs    int
	resumed  bool // the ledger was there before
	estimate []plan.Rung
	narrator *narrate.Narrator
	log      *slog.Logger
	ledger   ledger.Ledger
	blobs    blob.Store
	corpus   func(context.Context) (actor.Corpus, error)
	packed   func() (actor.Corpus, error) // packs once, into staged
	staged   packing
	anchor   anchor

	mu      sync.Mutex
	entries []supervise.Entry // guarded by mu
	listed  []supervise.Entry // vaults in run.json; guarded by mu
	wake    chan struct{}
}

// Run plays the programme until ctx ends or, with Exit, its last rung is
// done. It returns the summary of the rungs played.
func Run(ctx context.Context, c Config) (*report.Programme, error) {
	lock, err := c.Home.Lock()
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	u := &run{Config: c, began: time.Now(), narrator: narrate.New(c.Spec.Denom), signers: map[crescendo.Account]ledger.Signer{},
		wake: make(chan struct{}, 1)}
	if u.Demo.Evaluators == 0 {
		u.Demo.Evaluators = int(c.Spec.Evaluation.MinEvaluators)
	}
	if u.Config.BlockMS == 0 {
		u.Config.BlockMS = 210
	}
	if err := u.prepare(); err != nil {
		return nil, err
	}
	return u.play(ctx)
}

// prepare does what needs no process: keys, plan, programs, ports.
func (u *run) prepare() error {
	logFile, err := u.openLog()
	if err != nil {
		return err
	}
	u.log = slog.New(slog.NewJSONHandler(logFile, nil))
	if err := checkText(u.CorpusDir); err != nil {
		return err
	}
	if u.net, u.resumed, err = loadNetwork(u.Home, u.Spec, u.Demo, u.Seed); err != nil {
		return err
	}
	u.cast = castOf(u.Demo, u.Seed)
	if err := u.makeKeys(); err != nil {
		return err
	}
	u.Spec.Organiser, u.Spec.Simulated = u.cast.Organiser.Account, true
	if err := u.Spec.Validate(); err != nil {
		return err
	}
	u.showPlan()
	if u.rungs == 0 {
		return crescendo.Errorf(crescendo.CodeInvalid, "no rung of programme %q fits this machine: %s", u.Spec.Name, u.estimate[0].Waiting).
			WithHint("play a smaller programme, such as programs/thousandth.yaml")
	}
	seats := len(u.cast.Trainers) + len(u.cast.Evaluators)
	u.launcher = launcher{home: u.Home, blockMS: u.BlockMS, threads: max(1, u.Machine.Cores/max(1, seats))}
	if u.launcher.programs, err = findPrograms(); err != nil {
		return err
	}
	if u.launcher.ports, err = choosePorts(); err != nil {
		return err
	}
	if u.HubPort >= 0 {
		if u.launcher.ports.hub, err = chooseHubPort(u.HubPort); err != nil {
			return err
		}
	}
	for _, dir := range []string{"ready", "seats", "archive", "ledger"} {
		if err := os.MkdirAll(u.Home.Path(dir), 0o700); err != nil {
			return fmt.Errorf("prepare home: %w", err)
		}
	}
	u.packed = sync.OnceValues(u.pack)
	if !u.resumed && u.Actors && u.CorpusDir != "" {
		// Text of somebody's own may be unusable: find out before there is a
		// ledger and anybody has paid for anything.
		if _, err := u.packed(); err != nil {
			return err
		}
	}
	if !u.resumed {
		return u.initLedger()
	}
	u.Say("resuming %s in %s", u.net.ChainID, u.Home.Dir)
	return nil
}

// checkText finds a directory of text that cannot be read before anything is
// started.
func checkText(dir string) error {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		return nil
	}
	if err == nil {
		err = errors.New("it is empty")
	}
	return crescendo.Errorf(crescendo.CodeInvalid, "read corpus %s: %v", dir, err).
		WithHint("give a directory with text, Markdown, source or JSONL files with --corpus")
}

func (u *run) openLog() (*os.File, error) {
	if err := os.MkdirAll(u.Home.Path("logs"), 0o700); err != nil {
		return nil, fmt.Errorf("make log directory: %w", err)
	}
	f, err := os.OpenFile(u.Home.Log("up"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return f, nil
}

// play starts everything, waits for the end, and stops everything.
func (u *run) play(ctx context.Context) (*report.Programme, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var err error
	u.sup, err = supervise.New(supervise.Options{
		LogDir: u.Home.Path("logs"), Changed: u.changed, Died: u.died,
		Spent: func(name string, user, system time.Duration) {
			u.log.Info("process ended", "name", name, "user_ms", user.Milliseconds(), "system_ms", system.Milliseconds())
		},
	})
	if err != nil {
		return nil, err
	}
	defer u.sayNothingRuns()
	defer u.sup.Stop()
	if err := u.startBase(ctx); err != nil {
		return nil, err
	}
	head, err := u.ledger.Head(ctx)
	if err != nil {
		return nil, err
	}
	if c, ok, err := u.namedCorpus(ctx); err == nil && ok {
		u.learnText(c.Manifest)
	}
	feed := &actor.Feed{Ledger: u.ledger, Log: u.log}
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel(nil)
	if err := u.startHub(); err != nil {
		return nil, err
	}
	if err := u.startSeats(); err != nil {
		return nil, err
	}
	for _, a := range u.actors() {
		work.Go(func() {
			if err := feed.Run(ctx, a); err != nil {
				cancel(err)
			}
		})
	}
	from := max(1, head.Height)
	if head.Height < 20 {
		from = 1
	}
	work.Go(func() { feed.Follow(ctx, from, u.show) })
	work.Go(func() { u.buttons(ctx) })
	summary, err := u.untilDone(ctx)
	if err != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		u.Say("stopping")
		return nil, nil
	}
	return summary, err
}

// actors are the people this process plays.
func (u *run) actors() []actor.Actor {
	if !u.Actors {
		return nil
	}
	served := func(crescendo.RungID) uint64 { return u.requests() }
	organiser := &actor.Organiser{
		Ledger: u.ledger, Signer: u.signer(u.cast.Organiser), Blobs: u.blobs, Spec: u.Spec, Rungs: u.rungs,
		Corpus: u.corpus, Served: served, Keepers: []crescendo.Account{u.cast.Keeper.Account},
	}
	organiser.Measurement, _ = u.Wiring.Measure(u.launcher.programs.vault)
	investors := &actor.Investors{Ledger: u.ledger, Rungs: u.rungs, Limit: uint64(u.Demo.ContributeBP)}
	claimers := &actor.Claimers{Ledger: u.ledger, Rungs: u.rungs, Served: served}
	for _, f := range u.cast.Funders {
		investors.Signers = append(investors.Signers, u.signer(f))
	}
	for _, account := range u.cast.played() {
		claimers.Signers = append(claimers.Signers, u.signers[account])
	}
	actors := []actor.Actor{organiser, investors, claimers}
	if r := u.researchers(); r != nil {
		actors = append(actors, r)
	}
	return append(actors, u.newcomers()...)
}

// requests is how many requests the demo clients send in each rung.
func (u *run) requests() uint64 { return uint64(u.Demo.Clients * u.Demo.Requests) }

func (u *run) signer(p part) ledger.Signer { return u.signers[p.Account] }

// died reports a death in the log and, when it keeps happening, to people.
func (u *run) died(p supervise.Process, err error, tail string) {
	u.log.Warn("process died", "name", p.Name, "error", fmt.Sprint(err), "log", tail)
	u.Say("%s died (%v); it is started again", p.Name, err)
}
