package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/node/machine"
	"github.com/crescendo-network/crescendo/node/up"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

type upFlags struct {
	program, home, corpus   string
	models                  []string
	rungs                   int
	seed                    uint64
	hubPort                 int
	exit, noActors, verbose bool
}

func (c *cli) up() *cobra.Command {
	f := upFlags{}
	cmd := &cobra.Command{
		Use:   "up --program FILE",
		Short: "Play a whole programme on this machine, until stopped",
		Long: `Play a whole programme on this machine: start the ledger, the archive and every
seat as processes, and carry the programme through its stages. Demo actors
invest, train, cheat, evaluate and ask; with --no-actors every step is left to
your own commands. Stopping and starting again resumes where the ledger stands.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.runUp(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.program, "program", "programs/thousandth.yaml", "programme file")
	cmd.Flags().StringVar(&f.home, "home", home.Default(), "directory of the run")
	cmd.Flags().IntVar(&f.rungs, "rungs", 0, "rungs to play (default: all that fit this machine)")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "decides keys, corpus and which demo actors cheat")
	cmd.Flags().BoolVar(&f.exit, "exit", false, "stop after the last rung and print a summary")
	cmd.Flags().BoolVar(&f.noActors, "no-actors", false, "play no demo actors: every step is yours")
	cmd.Flags().StringVar(&f.corpus, "corpus", "", "directory of text, source or JSONL to train on instead of the Go source tree")
	cmd.Flags().StringArrayVar(&f.models, "model", nil, "folder of a model that a rung starts from, as `crescendo model import` has read it")
	cmd.Flags().IntVar(&f.hubPort, "hub-port", 8080, "port of the web site on 127.0.0.1, or the next free one; 0: any free one; -1: no web site")
	cmd.Flags().BoolVar(&f.verbose, "verbose", false, "show every step of every round")
	return cmd
}

func (c *cli) runUp(ctx context.Context, f upFlags) error {
	if f.rungs < 0 {
		return usagef("--rungs %d: want one or more", f.rungs)
	}
	spec, demo, err := programfile.Load(f.program)
	if err != nil {
		return err
	}
	h, err := home.Open(f.home)
	if err != nil {
		return err
	}
	m, err := thisMachine(spec)
	if err != nil {
		return err
	}
	people := c.out
	if c.json {
		people = c.err
	}
	s := &screen{w: people, terminal: isTerminal(people)}
	summary, err := up.Run(ctx, up.Config{
		Home: h, Spec: spec, Demo: demo, Seed: f.seed, Rungs: f.rungs, Exit: f.exit, Actors: !f.noActors, CorpusDir: f.corpus, Models: f.models,
		HubPort: f.hubPort, Verbose: f.verbose, Engine: native.New(machine.Cores()), Machine: m, Say: s.say, Progress: s.progress,
		Wiring: up.Wiring{Dial: node.DialLedger, Blobs: node.Blobs, Signer: node.EnsureKey, Measure: node.MeasureVault},
	})
	if err != nil || summary == nil {
		return err
	}
	enc := json.NewEncoder(c.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(summary)
}

// screen writes lines and, on a terminal, a progress bar below them.
type screen struct {
	mu       sync.Mutex
	w        writer
	terminal bool
	bar      string // guarded by mu
}

func (s *screen) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprintf(s.w, format+"\n", args...)
	s.draw()
}

// clear and draw need mu.
func (s *screen) clear() {
	if s.bar != "" {
		fmt.Fprint(s.w, "\r\x1b[K")
	}
}

func (s *screen) draw() {
	if s.bar != "" {
		fmt.Fprint(s.w, s.bar)
	}
}

func (s *screen) progress(stage string, done, total int) {
	if !s.terminal {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.bar = ""
	if done < total {
		const width = 30
		filled := width * done / max(1, total)
		s.bar = fmt.Sprintf("%-10s [%-*s] %3d%%", stage, width, bars[:filled], 100*done/max(1, total))
	}
	s.draw()
}

const bars = "##############################"

func isTerminal(w writer) bool {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
