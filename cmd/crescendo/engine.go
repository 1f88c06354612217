package main

import (
	"fmt"
	"runtime"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/bench"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/spf13/cobra"
)

func (c *cli) engine() *cobra.Command {
	return stage("engine", "Measure the engine on this machine, and replay its steps", c.engineBench(), c.engineReplay())
}

func (c *cli) engineBench() *cobra.Command {
	var name, kernel string
	var s bench.Settings
	var list bool
	cmd := &cobra.Command{
		Use: "bench [--model NAME] [--threads N] [--sequence N] [--batch N] [--int8] [--list]", Short: "Train and decode a fixed model for a few steps and say how fast", Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			if list {
				return c.printModels()
			}
			m, err := bench.Named(name)
			if err != nil {
				return usagef("%v", err).hinted("see: crescendo engine bench --list")
			}
			e, err := engineOf(s.Threads, kernel)
			if err == nil {
				e, err = profiled(e, s.Profile)
			}
			if err != nil {
				return err
			}
			if s.Kind != "" && s.Kind != engine.Muon && s.Kind != engine.AdamW {
				return usagef("--optimizer is %q", s.Kind).hinted("take %s or %s", engine.Muon, engine.AdamW)
			}
			if s.Steps < 1 || s.Steps > 10000 {
				return usagef("--steps is %d", s.Steps).hinted("take 1 to 10000")
			}
			if s.Sequence < 0 || s.Sequence > bench.MaxSequence {
				return usagef("--sequence is %d", s.Sequence).hinted("take 1 to %d tokens", bench.MaxSequence)
			}
			if s.Batch < 0 || s.Batch > 1024 {
				return usagef("--batch is %d", s.Batch).hinted("take 1 to 1024 texts")
			}
			r, err := bench.Run(e, m, s)
			if err != nil {
				return err
			}
			return c.print(r, func(w writer) {
				fmt.Fprintf(w, "%s, %s, %s, %d threads, %s: %.0f tokens/s training (%.0f per CPU-second), %.0f prompt, %.0f decoding; %d MB; loss %.4f; weights %s\n",
					r.Model, r.Optimizer, r.Profile, r.Threads, r.Kernel, r.Train, r.TrainByCPU, r.Prefill, r.Decode, r.PeakBytes>>20, r.Loss, r.SHA256[:16])
				if v := r.Serving; v != nil {
					fmt.Fprintf(w, "serving %d texts together, %s: %.0f tokens/s prompt, %.0f decoding (%.0f per CPU-second); logits %s\n",
						v.Batch, map[bool]string{false: "float32", true: "8 bits"}[v.Int8], v.Prefill, v.Decode, v.DecodeByCPU, v.SHA256[:16])
				}
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&name, "model", "12m", "one of --list")
	f.IntVar(&s.Threads, "threads", runtime.NumCPU(), "goroutines to use")
	f.StringVar(&kernel, "kernel", "", "code path: portable, avx2, avx512, neon (default: the fastest)")
	f.IntVar(&s.Steps, "steps", bench.Steps, "training steps; others than the default give other weights")
	f.IntVar(&s.Sequence, "sequence", 0, "tokens in a sequence (default: the model's), and in the prompt before decoding")
	f.StringVar(&s.Profile, "profile", native.R0, "numeric profile to train under: r0 or bf16; decoding is r0")
	f.StringVar(&s.Kind, "optimizer", "", "muon or adamw (default: the model's)")
	f.IntVar(&s.Batch, "batch", 0, "also decode so many texts together, as a server does")
	f.BoolVar(&s.Int8, "int8", false, "do that in 8 bits: another numeric profile, q8")
	f.BoolVar(&list, "list", false, "list the models and stop")
	return cmd
}

// engineOf opens the native engine with the kernel named, if one is.
func engineOf(threads int, kernel string) (engine.Engine, error) {
	if threads < 1 || threads > 1024 {
		return nil, usagef("--threads is %d", threads).hinted("take 1 to 1024")
	}
	if kernel == "" {
		return native.New(threads), nil
	}
	e, err := native.NewWithKernel(threads, kernel)
	if err != nil {
		return nil, usagef("%v", err).hinted("this machine has: %v", native.Kernels())
	}
	return e, nil
}

// profiled is the engine under the numeric profile named.
func profiled(e engine.Engine, name string) (engine.Engine, error) {
	p, err := native.WithProfile(e, name)
	if err != nil {
		return nil, usagef("%v", err).hinted("take %s or %s", native.R0, native.BF16)
	}
	return p, nil
}

func (c *cli) printModels() error {
	models := bench.Models()
	return c.print(map[string]any{"models": models}, func(w writer) {
		for _, m := range models {
			fmt.Fprintf(w, "%-5s %11d parameters, %d x %d tokens a step, %s\n", m.Name, m.Parameters, m.Batch, m.Sequence, m.Kind)
		}
	})
}
