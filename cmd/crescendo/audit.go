package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/node/machine"
	"github.com/crescendo-network/crescendo/role/auditor"
	"github.com/spf13/cobra"
)

// record are the flags of commands that read a programme's whole record.
type record struct {
	home, url string
}

func (r *record) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.home, "home", home.Default(), "directory of the run; nothing in it needs to be running")
	cmd.Flags().StringVar(&r.url, "url", "", "archive of a running programme, http://host:port, instead of --home")
}

// open finds the record.
func (r *record) open(ctx context.Context) (auditor.Config, error) {
	if r.url != "" {
		return auditor.OverHTTP(ctx, r.url)
	}
	return auditor.AtHome(r.home)
}

type auditFlags struct {
	record
	trust   string
	sample  uint32
	threads int
}

func (c *cli) audit() *cobra.Command {
	f := auditFlags{}
	cmd := &cobra.Command{
		Use:   "audit [--home DIR | --url URL] [--trust HASH]",
		Short: "Check every claim a programme makes, from public data alone",
		Long: `Check every claim a programme makes, from public data alone: the chain of blocks,
every transaction executed again, every blob, the corpus, every round's scores
and aggregate, every window of training replayed bit by bit, the ranking, and
every payment. It needs no key and trusts no process.

Claims are counted by whose word they stand on: proved by the validators'
signatures, recomputed here, attested by an enclave, or simulated, which is no
enclave at all. The status is 1 if any claim fails.

A hash that you noted earlier, or got from somebody you trust, makes sure that
it is the same chain: give it with --trust.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.runAudit(cmd.Context(), f) },
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&f.trust, "trust", "", "hash of a block at any height, HEIGHT:HASH, or hash of the genesis, that the chain must have")
	cmd.Flags().Uint32Var(&f.sample, "sample", 1000, "replay so many windows of training out of a thousand")
	cmd.Flags().IntVar(&f.threads, "threads", machine.Cores(), "windows replayed at once")
	return cmd
}

func (c *cli) runAudit(ctx context.Context, f auditFlags) error {
	if f.sample < 1 || f.sample > 1000 {
		return usagef("--sample %d: want 1 to 1000", f.sample)
	}
	if f.threads < 1 {
		return usagef("--threads %d: want 1 or more", f.threads)
	}
	config, err := f.open(ctx)
	if err != nil {
		return err
	}
	config.Trust, config.Sample, config.Threads = f.trust, f.sample, f.threads
	p := &pace{c: c, terminal: isTerminal(c.err)}
	config.Progress = p.show
	if f.url == "" {
		config.Replay = ledgerReplay(f.home)
	}
	began := time.Now()
	report, err := auditor.Run(ctx, config)
	p.end()
	if err != nil {
		return err
	}
	if err := c.print(report, func(w writer) { printReport(w, report, time.Since(began)) }); err != nil {
		return err
	}
	if report.Failed > 0 {
		return crescendo.Errorf(crescendo.CodeInvalid, "%d of %d claims do not hold", report.Failed, report.Claims).
			WithHint("each failed claim above says what to do about it")
	}
	return nil
}

func printReport(w writer, r auditor.Report, took time.Duration) {
	fmt.Fprintf(w, "chain %s, %d blocks, app hash %s\n", r.ChainID, r.Height, r.AppHash)
	for _, line := range []struct {
		name  string
		count int
		means string
	}{
		{"proved", r.ByClass.Proved, "signed by the validators"},
		{"recomputed", r.ByClass.Recomputed, "computed again here, with the same result"},
		{"attested", r.ByClass.Attested, "an enclave's word"},
		{"simulated", r.ByClass.Simulated, "no enclave: the operator's word"},
		{"unverifiable", len(r.Unverifiable), "the data is gone"},
		{"failed", r.Failed, "not so"},
	} {
		fmt.Fprintf(w, "  %-13s%7d   %s\n", line.name, line.count, line.means)
	}
	fmt.Fprintf(w, "%d claims in %.1f s\n", r.Claims, took.Seconds())
	for _, name := range r.Unverifiable {
		fmt.Fprintf(w, "unverifiable: %s\n", name)
	}
	for _, f := range r.Failures {
		fmt.Fprintf(w, "failed: %s\n  %s\n  what to do: %s\n", f.Claim, oneParagraph(f.Error), f.Hint)
	}
}

// ledgerReplay executes the chain in the ledger's own program, where that is
// at hand and nobody runs the ledger.
func ledgerReplay(dir string) func(context.Context) (crescendo.Height, []byte, error) {
	program, err := machine.Sibling("crescendo-ledger")
	if err != nil {
		return nil
	}
	h := home.Home{Dir: dir}
	lock, err := h.Lock()
	if err != nil {
		return nil
	}
	lock.Release()
	return func(ctx context.Context) (crescendo.Height, []byte, error) {
		lock, err := h.Lock()
		if err != nil {
			return 0, nil, err
		}
		defer lock.Release()
		out, err := exec.CommandContext(ctx, program, "replay", "--home", h.Path("ledger")).Output()
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			if strings.Contains(string(exit.Stderr), "were pruned") {
				err = auditor.ErrGone
			}
			return 0, nil, fmt.Errorf("crescendo-ledger replay: %s: %w", strings.TrimSpace(string(exit.Stderr)), err)
		}
		if err != nil {
			return 0, nil, fmt.Errorf("crescendo-ledger replay: %w", err)
		}
		var done struct {
			Height  crescendo.Height `json:"height"`
			AppHash string           `json:"app_hash"`
		}
		if err := json.Unmarshal(out, &done); err != nil {
			return 0, nil, fmt.Errorf("crescendo-ledger replay: %w", err)
		}
		hash, err := hex.DecodeString(done.AppHash)
		return done.Height, hash, err
	}
}

// pace shows how far the audit is: a line that is rewritten on a terminal, a
// line for each stage elsewhere.
type pace struct {
	c        *cli
	terminal bool

	mu    sync.Mutex
	stage string    // guarded by mu
	last  time.Time // guarded by mu
}

func (p *pace) show(stage string, done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh := stage != p.stage
	if !p.terminal {
		if fresh {
			p.c.note("checking %s", stage)
		}
		p.stage = stage
		return
	}
	if !fresh && done < total && time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.stage, p.last = stage, time.Now()
	fmt.Fprintf(p.c.err, "\r\x1b[Kchecking %s: %d of %d", stage, done, total)
}

func (p *pace) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal && p.stage != "" {
		fmt.Fprint(p.c.err, "\r\x1b[K")
	}
}
