package up

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/node/plan"
	"github.com/crescendo-network/crescendo/role/actor"
	"github.com/crescendo-network/crescendo/training"
)

// startTimeout is how long the ledger and the archive may take to serve.
const startTimeout = 60 * time.Second

// makeKeys derives everybody's key from the seed: the same seed gives the
// same accounts. That is for demo runs; real keys come from `wallet new`.
func (u *run) makeKeys() error {
	var seed [8]byte
	binary.BigEndian.PutUint64(seed[:], u.Seed)
	u.net.Names = map[string]string{}
	for _, p := range u.cast.all() {
		s, err := u.Wiring.Signer(u.Home.Key(p.Name), digest.Sum("crescendo/up/key", seed[:], []byte(u.net.ChainID), []byte(p.Name)))
		if err != nil {
			return err
		}
		p.Account = s.Account()
		u.signers[p.Account] = s
		u.net.Names[p.Name] = string(p.Account)
		label := p.Name
		if u.Actors && p.Name != u.cast.Organiser.Name {
			label = "demo " + p.Name
		}
		if p.Cheat != "" {
			label += " (free rider: " + p.Cheat + ")"
		}
		u.narrator.Name(p.Account, label)
	}
	return nil
}

// showPlan prints the estimates and decides how many rungs are played.
func (u *run) showPlan() {
	u.estimate = plan.Rungs(u.Spec, plan.CrewOf(u.Spec, len(u.cast.Trainers), len(u.cast.Evaluators)), u.Machine)
	var b strings.Builder
	plan.Write(&b, u.estimate, u.Machine)
	u.Say("programme %s on chain %s", u.Spec.Name, u.net.ChainID)
	u.Say("%s", strings.TrimRight(b.String(), "\n"))
	for u.rungs < len(u.estimate) && u.estimate[u.rungs].Fits && (u.Rungs == 0 || u.rungs < u.Rungs) {
		u.rungs++
	}
	if u.Rungs > u.rungs {
		u.Say("only %d of the %d rungs asked for fit this machine", u.rungs, u.Rungs)
	}
	if !u.Actors {
		return
	}
	u.Say("demo actors: %d investors, %d trainers, %d free riders, %d evaluators, %d clients, %d researchers, %d copiers, %d newcomers; they use the public commands",
		len(u.cast.Funders), u.Demo.Trainers, u.Demo.FreeRiders, len(u.cast.Evaluators), len(u.cast.Clients), len(u.cast.Researchers), len(u.cast.Copiers), len(u.cast.Newcomers))
}

// initLedger makes the genesis of a new run.
func (u *run) initLedger() error {
	spec := u.Home.Path("programme.bin")
	if err := u.Home.WriteFile("programme.bin", canon.Encode(u.Spec), 0o600); err != nil {
		return err
	}
	args := []string{"init", "--home", u.Home.Path("ledger"), "--spec", spec, "--chain-id", u.net.ChainID}
	balances := u.cast.balances(u.Spec, u.Demo)
	for _, p := range u.cast.all() {
		args = append(args, "--balance", fmt.Sprintf("%s=%d", p.Account, balances[p.Account]))
	}
	// A crash between init and the note below leaves half a ledger: begin anew.
	if err := os.RemoveAll(u.Home.Path("ledger")); err != nil {
		return fmt.Errorf("clear unfinished ledger: %w", err)
	}
	out, err := exec.Command(u.launcher.programs.ledger, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("initialise ledger: %w: %s", err, strings.TrimSpace(string(out)))
	}
	u.net.Genesis = true
	return u.Home.WriteJSON(networkFile, u.net)
}

// startBase starts what everything leans on: the ledger, then the archive.
// Text is read and packed meanwhile.
func (u *run) startBase(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	u.corpus = u.packOnce()
	task, err := u.sup.Start(u.launcher.ledger())
	if err != nil {
		return err
	}
	if err := task.WaitReady(ctx); err != nil {
		return err
	}
	if u.anchor, err = readAnchor(u.launcher.ready("ledger")); err != nil {
		return fmt.Errorf("read what the ledger published: %w", err)
	}
	if u.ledger, err = u.Wiring.Dial(ctx, u.launcher.url(u.launcher.ports.ledger), u.net.ChainID, u.anchor.Trust); err != nil {
		return err
	}
	if task, err = u.sup.Start(u.launcher.archive(u.programme())); err != nil {
		return err
	}
	if err := task.WaitReady(ctx); err != nil {
		return err
	}
	u.blobs, err = u.Wiring.Blobs(u.launcher.url(u.launcher.ports.archive) + "/v1/blobs")
	return err
}

// startSeats starts everybody else, all at once.
func (u *run) startSeats() error {
	if !u.Actors {
		return nil
	}
	if err := u.Home.WriteJSON("client.json", u.Demo); err != nil {
		return err
	}
	for _, p := range u.cast.Evaluators {
		if _, err := u.sup.Start(u.launcher.evaluator(p)); err != nil {
			return err
		}
	}
	for _, p := range u.cast.Trainers {
		if _, err := u.sup.Start(u.launcher.trainer(p)); err != nil {
			return err
		}
	}
	if _, err := u.sup.Start(u.launcher.keeper(u.cast.Keeper)); err != nil {
		return err
	}
	if _, err := u.sup.Start(u.launcher.relay(u.cast.Operator)); err != nil {
		return err
	}
	for _, p := range u.cast.Clients {
		if _, err := u.sup.Start(u.launcher.client(p, u.rungs, u.Home.Path("client.json"))); err != nil {
			return err
		}
	}
	return nil
}

// packOnce begins to pack the corpus and returns a function that waits for
// it. A ledger that already names a corpus is believed: its blobs exist.
func (u *run) packOnce() func(context.Context) (actor.Corpus, error) {
	if u.Actors && !u.resumed {
		go u.packed() // while the ledger starts
	}
	return func(ctx context.Context) (actor.Corpus, error) {
		if c, ok, err := u.namedCorpus(ctx); ok || err != nil {
			return c, err
		}
		p, err := u.packed()
		if err != nil {
			return actor.Corpus{}, err
		}
		return p, u.upload(ctx, p)
	}
}

// namedCorpus is the corpus that a rung of this ledger trains on already.
func (u *run) namedCorpus(ctx context.Context) (actor.Corpus, bool, error) {
	state, err := u.ledger.State(ctx)
	if err != nil {
		return actor.Corpus{}, false, err
	}
	// What trials read comes first: a recipe may have had it packed again.
	if tried, ok, err := u.triedCorpus(state); ok || err != nil {
		return tried, ok, err
	}
	has, err := training.Runs.Has(state, uint32(1))
	if err != nil || !has {
		return actor.Corpus{}, false, err
	}
	first, err := training.Runs.Get(state, uint32(1))
	return actor.Corpus{Manifest: first.Corpus, Root: first.Root}, !first.Corpus.IsZero(), err
}

// packing is the store that a packed corpus waits in until the archive
// serves.
type packing struct {
	store *blob.Memory
	pack  *corpus.Pack
}

func (u *run) pack() (actor.Corpus, error) {
	u.staged = packing{store: blob.NewMemory()}
	began := time.Now()
	var err error
	u.staged.pack, err = actor.Pack(context.Background(), u.Spec, u.CorpusDir, u.Models, u.Seed, u.staged.store, u.Progress)
	if err != nil {
		return actor.Corpus{}, err
	}
	m := u.staged.pack.Manifest
	u.Say("packed %s: %.1f MB in %d documents, %d tokens to train on, %.3f bits/byte for a byte-bigram model (%.1f s)",
		m.Source, float64(m.Train.Bytes+m.HeldOut.Bytes)/1e6, m.Train.Documents+m.HeldOut.Documents, m.Train.Tokens,
		float64(m.BigramMicroBitsPerByte)/1e6, time.Since(began).Seconds())
	return actor.Corpus{Manifest: u.staged.pack.Hash, Root: m.Root}, nil
}

// upload copies the staged blobs into the archive.
func (u *run) upload(ctx context.Context, _ actor.Corpus) error {
	for h, err := range u.staged.store.List(ctx) {
		if err != nil {
			return err
		}
		data, err := u.staged.store.Get(ctx, h, 0)
		if err != nil {
			return err
		}
		if _, err := u.blobs.Put(ctx, data); err != nil {
			return fmt.Errorf("upload corpus: %w", err)
		}
	}
	return nil
}
