package planner

import (
	"fmt"
	"math"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/planner/pipeline"
	"github.com/crescendo-network/crescendo/program"
)

// Plan reckons all rungs of a programme.
func Plan(spec program.Spec, assumed Assumptions) (Ladder, error) {
	if err := assumed.check(); err != nil {
		return Ladder{}, err
	}
	l := Ladder{Programme: spec.Name, Assumptions: assumed, AnnouncedDollars: assumed.of("announced")}
	for i := range spec.Rungs {
		r, err := planRung(spec, i, assumed)
		if err != nil {
			return Ladder{}, fmt.Errorf("plan rung %d: %w", i+1, err)
		}
		l.Rungs = append(l.Rungs, r)
		l.TotalDollars = cents(l.TotalDollars + r.Dollars)
		l.RaiseDollars = cents(l.RaiseDollars + r.RaiseDollars)
		l.MoEDollars = cents(l.MoEDollars + r.MoE.Dollars)
		l.GPUHours = cents(l.GPUHours + r.GPUHours)
		l.FLOPs = figures(l.FLOPs + r.FLOPs)
	}
	return l, nil
}

// unit is how many of the smallest coin make what a plan calls a dollar.
const unit = 1e6

// work is one rung under one choice of GPU and architecture.
type work struct {
	spec    program.Spec
	rung    program.Rung
	assumed Assumptions
	gpu     string
	mfu     float64
	n       float64 // parameters
	active  float64 // that a token passes through
	sites   float64
	tokens  float64
	rounds  float64
	payload float64 // bytes
}

func newWork(spec program.Spec, i int, assumed Assumptions) work {
	rung := spec.Rungs[i]
	w := work{spec: spec, rung: rung, assumed: assumed, n: float64(spec.Parameters(i)), mfu: assumed.of("mfu")}
	w.active = float64(spec.ActiveParameters(i))
	if rung.Model.Mixture() {
		w.mfu = assumed.of("mfu-moe")
	}
	w.gpu = gpus[int(assumed.of("gpu"))].name
	w.sites = float64(rung.Training.Seats)
	w.tokens = float64(rung.Tokens(rung.Training.Seats))
	if c := assumed.of("contributors"); c > 0 {
		w.sites = c
	}
	w.rounds = math.Ceil(w.tokens / (w.sites * float64(rung.RoundTokens())))
	w.payload = math.Ceil(w.n * codecBits(rung.Training.Codec) / 8)
	return w
}

// codecBits is what a parameter costs in a payload: training/delta shares
// scales between 4,096 elements, two bytes for q2 and one for int8.
func codecBits(codec string) float64 {
	switch codec {
	case "f32":
		return 32
	case "int8":
		return 8 + 8.0/4096
	}
	return 2 + 16.0/4096
}

// rate is what a site computes in a second.
func (w work) rate() float64 {
	return float64(w.siteGPUs() * w.assumed.of("gpu-tflops-"+w.gpu) * 1e12 * w.mfu)
}

// memory is what a site's GPUs have to hold.
func (w work) memory() float64 {
	bytes := w.assumed.of("gpu-bytes-muon")
	if w.rung.Training.Optimizer.Kind == "adamw" {
		bytes = w.assumed.of("gpu-bytes-adamw")
	}
	return float64(w.n * bytes * (1 + w.assumed.of("activations")))
}

// siteGPUs is the smallest site that holds the model: 1, 2, 4 ... of a
// machine, or whole machines.
func (w work) siteGPUs() float64 {
	want := math.Ceil(w.memory() / (w.assumed.of("gpu-memory-"+w.gpu) * 1e9))
	node := w.assumed.of("node-gpus")
	for n := 1.0; n < node; n *= 2 {
		if want <= n {
			return n
		}
	}
	return math.Ceil(want/node) * node
}

// link is the assumed link of the rung's sites, in Mbit/s.
func (w work) link() float64 {
	if w.siteGPUs() > w.assumed.of("node-gpus") {
		return w.assumed.of("site-link")
	}
	return w.assumed.of("node-link")
}

// flops of training on all tokens.
func (w work) flops() float64 { return float64(w.assumed.of("flops-per-token")*w.active) * w.tokens }

// judging is what one evaluator computes in a round: each payload and the
// average, forward over the drawn sequences.
func (w work) judging() float64 {
	scored := float64(w.spec.Evaluation.Sequences) * float64(w.rung.Model.Context)
	return float64(2*w.active*scored) * (w.sites + 1)
}

// pause is the time between the last payload and the update, in seconds: an
// evaluator fetches all payloads and judges them.
func (w work) pause() float64 {
	fetch := w.sites * w.payload * 8 / (w.assumed.of("evaluator-link") * 1e6)
	blocks := w.assumed.of("round-blocks") * w.assumed.of("block")
	return float64(fetch + blocks + w.judging()/(w.rate()*w.assumed.of("evaluator-size")))
}

// computing is the time of a round's steps, in seconds.
func (w work) computing() float64 {
	return float64(w.assumed.of("flops-per-token")*w.active) * float64(w.rung.RoundTokens()) / w.rate()
}

// pipeline is the round as planner/pipeline simulates it. The layers do not
// matter: a payload is coded as a whole, after the last step.
func (w work) pipeline() (pipeline.Model, pipeline.Method, error) {
	t := w.rung.Training
	bits := w.payload * 8 / w.n
	step, pause := w.computing()/float64(t.Steps), w.pause()
	if step > maxSeconds || pause > maxSeconds {
		return pipeline.Model{}, pipeline.Method{}, crescendo.Errorf(crescendo.CodeInvalid, "a step takes %.0f s and a round's pause %.0f s", step, pause).
			WithHint("assume faster links or GPUs, or fewer contributors")
	}
	return pipeline.Model{Layers: 1, Parameters: uint64(w.n), Step: max(duration(step), 3)},
		pipeline.Method{
			Name: "a round", Every: int(t.Steps), Overlap: int(t.Eager),
			Bits: bits, BitsDown: bits, Whole: true, Pause: duration(pause),
		}, nil
}

const maxSeconds = 1e8 // three years

func duration(seconds float64) time.Duration { return time.Duration(seconds * 1e9) }

// simulate runs rounds over a link of so many Mbit/s.
func (w work) simulate(mbps float64) (pipeline.Result, error) {
	m, how, err := w.pipeline()
	if err != nil {
		return pipeline.Result{}, err
	}
	return pipeline.Simulate(m, how, w.pipe(mbps))
}

func (w work) pipe(mbps float64) pipeline.Link {
	l := pipeline.Symmetric(int64(mbps * 1e6))
	l.Latency = duration(w.assumed.of("latency") / 1e3)
	return l
}

// run is what training takes.
type run struct {
	gpuHours, dollars, days, utilisation, round float64
}

func (w work) run() (run, error) {
	r, err := w.simulate(w.link())
	if err != nil {
		return run{}, err
	}
	u := r.Utilisation()
	var out run
	out.utilisation = u
	out.round = w.computing() / u
	seconds := w.rounds * out.round / w.assumed.of("goodput")
	out.days = seconds / 86400
	out.gpuHours = w.siteGPUs() * w.sites * seconds / 3600
	out.dollars = out.gpuHours * w.assumed.of("gpu-price-"+w.gpu)
	return out, nil
}

// price is what so many operations cost on GPUs that do nothing else.
func (w work) price(flops float64) float64 {
	hours := flops / (w.assumed.of("gpu-tflops-"+w.gpu) * 1e12 * w.mfu) / 3600 / w.assumed.of("goodput")
	return hours * w.assumed.of("gpu-price-"+w.gpu)
}

// evaluation is what judging and replaying cost.
func (w work) evaluation() float64 {
	t := w.rung.Training
	replayed := float64(t.AuditPerMille) / 1000
	if t.Rounds > 0 {
		probation := float64(min(t.Probation, t.Rounds)) / float64(t.Rounds)
		replayed = probation + float64((1-probation)*replayed)
	}
	judged := w.judging() * w.rounds * float64(w.spec.Evaluation.MinEvaluators)
	return w.price(float64(judged + float64(w.flops()*replayed)*w.assumed.of("replay-overhead")))
}

// sealing is what the vault's last steps cost.
func (w work) sealing() float64 {
	tokens := float64(w.rung.Sealing.FinalSteps) * float64(w.rung.Training.Sequences) * float64(w.rung.Model.Context)
	return w.price(w.assumed.of("flops-per-token") * w.active * tokens * w.assumed.of("enclave-overhead"))
}

// archive is the bytes that are kept: every payload and update, and of every
// so many rounds the checkpoint and the aggregator's error.
func (w work) archive() float64 {
	kept := math.Ceil(w.rounds/w.assumed.of("archive-every")) + 2
	return float64(w.rounds*(w.sites+1)*w.payload) + float64(kept*2*4*w.n)
}

func (w work) storage() float64 {
	return w.archive() / 1e12 * w.assumed.of("storage-price") * w.assumed.of("storage-months")
}

// moe is the same rung as a mixture of experts.
func (w work) moe() work {
	w.active = math.Round(w.n * w.assumed.of("moe-active"))
	w.mfu = w.assumed.of("mfu-moe")
	return w
}
