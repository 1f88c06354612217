// Package native trains and serves Llama-family models on the CPU, under numeric
// profile R0 unless BF16 is asked for: the same parameters, tokens and settings give the same bits on
// every machine, build, instruction set and number of threads. That makes it the
// reference by which work is audited, as well as a trainer and a server.
//
// Threads only ever divide outputs among them. No sum is divided, and none
// depends on what another thread has done.
//
// It computes in float32 throughout and keeps what the backward pass needs in
// memory, so it is for models up to some hundred million parameters; larger ones
// are trained by other engines.
package native

import (
	"fmt"

	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/internal/kernel"
)

// MaxParameters bounds the models that New accepts, by memory.
const MaxParameters = 1 << 31

type native struct {
	threads int
	set     *kernel.Set
	profile string
}

// Numeric profiles. BF16 is for training: the factors of most products are rounded to
// bfloat16. It has bits of its own, the same everywhere too.
const (
	R0   = "r0"
	BF16 = "bf16"
)

// New returns an engine that uses up to the given number of goroutines for one
// call (at least one), and the fastest kernel of this machine unless the
// environment variable CRESCENDO_KERNEL names another.
func New(threads int) engine.Engine { return &native{max(1, threads), kernel.Default(), R0} }

// NewWithKernel is New with the kernel named: one of Kernels.
func NewWithKernel(threads int, name string) (engine.Engine, error) {
	set, err := kernel.Named(name)
	if err != nil {
		return nil, err
	}
	return &native{max(1, threads), set, R0}, nil
}

// WithProfile is a native engine that trains under another profile.
func WithProfile(e engine.Engine, profile string) (engine.Engine, error) {
	n, ok := e.(*native)
	if !ok || (profile != R0 && profile != BF16) {
		return nil, fmt.Errorf("choose numeric profile %q of %s: there are %s and %s, of the native engine", profile, e.Name(), R0, BF16)
	}
	return &native{n.threads, n.set, profile}, nil
}

// Kernels names the kernels that this machine can run, slowest first.
func Kernels() []string {
	var names []string
	for _, s := range kernel.Available() {
		names = append(names, s.Name())
	}
	return names
}

func (e *native) Name() string { return "native" }

func (e *native) Kernel() string {
	if e.profile == BF16 {
		return e.set.BF16().Name()
	}
	return e.set.Name()
}

func (e *native) New(s engine.Shape) (engine.Model, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("make model: %w", err)
	}
	if n := s.Parameters(); n > MaxParameters {
		return nil, fmt.Errorf("make model: %w: %d parameters, this engine takes %d", engine.ErrBadShape, n, MaxParameters)
	}
	m := newModel(s, e.set, e.threads)
	if e.profile == BF16 {
		m.half = &half{set: e.set.BF16()}
	}
	return m, nil
}

func (e *native) Init(m engine.Model, seed uint64) {
	engine.InitParams(m.Shape(), m.Params(), seed)
	m.ResetOptimizer()
}
