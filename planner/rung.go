package planner

import (
	"math"

	"github.com/crescendo-network/crescendo/planner/pipeline"
	"github.com/crescendo-network/crescendo/program"
)

func planRung(spec program.Spec, i int, assumed Assumptions) (Rung, error) {
	w := newWork(spec, i, assumed)
	trained, err := w.run()
	if err != nil {
		return Rung{}, err
	}
	r := Rung{
		Rung: i + 1, Name: w.rung.Name, Parameters: uint64(w.n), Tokens: uint64(w.tokens),
		FLOPs: figures(w.flops()), GPUHours: cents(trained.gpuHours), Days: figures(trained.days),
		SiteMemory: uint64(w.memory()), Upload: uint64(w.payload), Download: uint64(w.payload), Checkpoint: uint64(4 * w.n),

		TokensPerParameter: figures(w.tokens / w.n),
		ChinchillaTokens:   uint64(w.active * assumed.of("tokens-per-parameter")),
		RaiseDollars:       cents(float64(w.rung.Raise.HardCap) / unit),

		TrainingDollars: cents(trained.dollars), EvaluationDollars: cents(w.evaluation()),
		SealingDollars: cents(w.sealing()), StorageDollars: cents(w.storage()),

		Contributors: uint32(w.sites), Rounds: uint64(w.rounds), SiteGPUs: uint64(w.siteGPUs()),
		SiteHostMemory: uint64(w.n * assumed.of("host-bytes")), WhoCanTakePart: who(w.memory()), Funnel: funnelOf(w.rung),
		RoundSeconds: figures(trained.round), ComputingSeconds: figures(w.computing()), PauseSeconds: figures(w.pause()),
		Utilisation: figures(trained.utilisation), LinkMbps: w.link(),
		DenseBytes: uint64(2 * w.n * float64(w.rung.Training.Steps)), Archive: uint64(w.archive()),
	}
	if w.rung.Model.Mixture() {
		r.ActiveParameters = uint64(w.active)
	}
	r.Dollars = cents(r.TrainingDollars + r.EvaluationDollars + r.SealingDollars + r.StorageDollars)
	paid := r.RaiseDollars * float64(w.rung.Training.TrainersBP) / 10000
	r.PurseTokens = uint64(math.Min(w.tokens/trained.dollars*paid, 1e18))
	if err := w.links(&r); err != nil {
		return Rung{}, err
	}
	if err := w.byGPU(&r); err != nil {
		return Rung{}, err
	}
	if err := w.addMoE(&r); err != nil {
		return Rung{}, err
	}
	r.Notes = w.notes(r)
	return r, nil
}

// links fills in what usual links do to the rung.
func (w work) links(r *Rung) error {
	for _, mbps := range []float64{100, 1000, 10000, 100000} {
		got, err := w.simulate(mbps)
		if err != nil {
			return err
		}
		minutes := figures(w.payload * 8 / (mbps * 1e6) / 60)
		r.Links = append(r.Links, LinkPlan{mbps, minutes, minutes, figures(got.Utilisation())})
	}
	m, how, err := w.pipeline()
	if err != nil {
		return err
	}
	if bits, err := pipeline.Required(m, how, w.pipe(1), 0.95); err == nil {
		r.LinkFor = figures(float64(bits) / 1e6)
	}
	return nil
}

func (w work) byGPU(r *Rung) error {
	for _, g := range gpus {
		w.gpu = g.name
		got, err := w.run()
		if err != nil {
			return err
		}
		r.ByGPU = append(r.ByGPU, GPUPlan{
			g.name, uint64(w.siteGPUs()), cents(got.gpuHours), cents(got.dollars), figures(got.utilisation), figures(got.days),
		})
	}
	return nil
}

func (w work) addMoE(r *Rung) error {
	if w.rung.Model.Mixture() { // already
		r.MoE = MoE{r.ActiveParameters, r.FLOPs, r.GPUHours, r.Dollars, r.Utilisation, r.Days}
		return nil
	}
	m := w.moe()
	got, err := m.run()
	if err != nil {
		return err
	}
	r.MoE = MoE{
		ActiveParameters: uint64(m.active), FLOPs: figures(m.flops()), GPUHours: cents(got.gpuHours),
		Dollars:     cents(got.dollars + m.evaluation() + m.sealing() + m.storage()),
		Utilisation: figures(got.utilisation), Days: figures(got.days),
	}
	return nil
}

// who says what the smallest site is made of.
func who(memory float64) string {
	const gb = 1e9
	switch {
	case memory <= 24*gb:
		return "one gaming GPU of 24 GB"
	case memory <= 80*gb:
		return "one datacentre GPU of 80 GB, or four of 24 GB"
	case memory <= 8*80*gb:
		return "one server of 8 x 80 GB"
	case memory <= 8*180*gb:
		return "one server of 8 x 180 GB, or two of 8 x 80 GB"
	case memory <= 8*8*80*gb:
		return "a rack of up to 8 servers"
	}
	return "a cluster"
}

// cents rounds money and hours; figures rounds other results to five figures,
// so that the last bits of a sum show nowhere.
func cents(x float64) float64 { return math.Round(x*100) / 100 }

func figures(x float64) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return x
	}
	digits := 4 - int(math.Floor(math.Log10(math.Abs(x))))
	if digits >= 0 {
		scale := math.Pow(10, float64(digits))
		return math.Round(x*scale) / scale
	}
	scale := math.Pow(10, float64(-digits))
	return math.Round(x/scale) * scale
}
