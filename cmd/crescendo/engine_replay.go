package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine/replay"
	"github.com/spf13/cobra"
)

// replayFlags are the files and settings of one replay.
type replayFlags struct {
	job, state, text, expect, out, kernel string
	open, threads                         int
}

func (c *cli) engineReplay() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use: "replay --job FILE --text FILE [--state FILE] [--expect ROOT] [--open STEP --out FILE]", Args: noArguments,
		Short: "Do training steps again and print the root of every state; open a single step",
		RunE:  func(cmd *cobra.Command, _ []string) error { return c.replay(cmd.Context(), f) },
	}
	s := cmd.Flags()
	s.StringVar(&f.job, "job", "", "JSON: shape, optimizer, batch, sequence, seed, steps")
	s.StringVar(&f.text, "text", "", "file to train on; each byte is a token")
	s.StringVar(&f.state, "state", "", "state before the first step (default: fresh weights from the job's seed)")
	s.StringVar(&f.expect, "expect", "", "root of the trace that must come out")
	s.IntVar(&f.open, "open", -1, "write the state before this step to --out")
	s.StringVar(&f.out, "out", "", "file for the opened state")
	s.StringVar(&f.kernel, "kernel", "", "code path; changes speed, never the roots")
	s.IntVar(&f.threads, "threads", runtime.NumCPU(), "goroutines to use")
	return cmd
}

// read loads what the flags name.
func (f replayFlags) read() (j replay.Job, state []byte, text []int32, err error) {
	if f.job == "" || f.text == "" || (f.open >= 0) != (f.out != "") {
		return j, nil, nil, usagef("--job and --text are needed, and --open goes with --out").hinted("see: crescendo engine replay --help")
	}
	b, err := readFileArg(f.job)
	if err != nil {
		return j, nil, nil, err
	}
	strict := json.NewDecoder(bytes.NewReader(b))
	strict.DisallowUnknownFields() // or a setting misspelt would be a job of another kind
	if err := strict.Decode(&j); err != nil {
		return j, nil, nil, crescendo.Errorf(crescendo.CodeInvalid, "read job %s: %v", f.job, err).
			WithHint("see docs/howto/open-a-training-step.md for what a job says")
	}
	if b, err = readFileArg(f.text); err != nil {
		return j, nil, nil, err
	}
	for _, v := range b {
		text = append(text, int32(v))
	}
	if f.state != "" {
		state, err = readFileArg(f.state)
	}
	return j, state, text, err
}

func (c *cli) replay(ctx context.Context, f replayFlags) error {
	j, state, text, err := f.read()
	if err != nil {
		return err
	}
	var expect crescendo.Hash
	if f.expect != "" {
		if expect, err = crescendo.ParseHash(f.expect); err != nil {
			return usagef("--expect: %v", err).hinted("a root is 64 hexadecimal digits")
		}
	}
	e, err := engineOf(f.threads, f.kernel)
	if err != nil {
		return err
	}
	opened := false
	trace, err := replay.Run(ctx, e, j, state, text, func(step int, state []byte) error {
		if step != f.open {
			return nil
		}
		opened = true
		return os.WriteFile(f.out, state, 0o644)
	})
	if err != nil {
		return err
	}
	root := trace.Root()
	result := map[string]any{"first": trace.First, "roots": trace.Roots, "losses_micro_nats": trace.Losses, "root": root, "kernel": e.Kernel()}
	err = c.print(result, func(w writer) {
		for i, r := range trace.Roots {
			if i > 0 {
				fmt.Fprintf(w, "step %d: loss %.6f\n", trace.First+i-1, float64(trace.Losses[i-1])/1e6)
			}
			fmt.Fprintf(w, "state %d: %s\n", trace.First+i, r)
		}
		fmt.Fprintf(w, "trace: %s\n", root)
	})
	switch {
	case err != nil:
		return err
	case f.open >= 0 && !opened:
		return fmt.Errorf("open step %d: the replay went from %d to %d", f.open, trace.First, trace.First+j.Steps)
	case f.expect != "" && root != expect:
		return crescendo.Errorf(crescendo.CodeInvalid, "the trace is %s, not %s", root, expect).
			WithHint("compare the roots state by state: the first that differs names the step to open")
	}
	return nil
}
