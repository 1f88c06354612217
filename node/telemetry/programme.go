package telemetry

import (
	"context"
	"errors"
	"strconv"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/role/hub/record"
	"github.com/crescendo-network/crescendo/training"
)

var rungLabels = []string{"rung", "name"}

var programmeFamilies = []family{
	{"crescendo_hub_height", gauge, "Newest block that the hub has executed.", nil},
	{"crescendo_hub_newest_height", gauge, "Newest block that the hub knows of.", nil},
	{"crescendo_hub_stopped", gauge, "1 if the hub cannot follow the chain just now.", nil},
	{"crescendo_hub_disagreements", gauge, "Things the chain recorded that its own rules do not give; anything above zero is fraud or a bug.", nil},
	{"crescendo_hub_viewers", gauge, "Browsers that have a live page open.", nil},
	{"crescendo_block_timestamp_seconds", gauge, "Time of the newest executed block.", nil},
	{"crescendo_supply_error", gauge, "Smallest units by which all balances differ from the genesis less what is burned; anything but zero is a bug.", nil},
	{"crescendo_burned_units", gauge, "Smallest units destroyed by faults.", nil},
	{"crescendo_rung_stage", gauge, "The stage a rung is at; always 1.", []string{"rung", "name", "stage"}},
	{"crescendo_rung_raised_units", gauge, "Smallest units raised.", rungLabels},
	{"crescendo_rung_spent_units", gauge, "Smallest units drawn from the purse by verified work.", rungLabels},
	{"crescendo_rung_earned_units", gauge, "Smallest units that clients have paid for answers.", rungLabels},
	{"crescendo_rung_repaid_units", gauge, "Smallest units of it that went to holders.", rungLabels},
	{"crescendo_rung_repay_units", gauge, "Smallest units that holders get in all before the weights open.", rungLabels},
	{"crescendo_rung_round", gauge, "The open round; zero before training.", rungLabels},
	{"crescendo_rung_rounds", gauge, "Rounds that the rung trains.", rungLabels},
	{"crescendo_rung_voids", gauge, "Attempts at rounds that came to nothing.", rungLabels},
	{"crescendo_rung_training", gauge, "1 while rounds are being trained.", rungLabels},
	{"crescendo_rung_progress_height", gauge, "Block of the last round that closed, or of the start.", rungLabels},
	{"crescendo_rung_trainers", gauge, "Trainers who have a seat.", rungLabels},
	{"crescendo_rung_expelled_total", counter, "Trainers whom faults have cost their seat.", rungLabels},
	{"crescendo_rung_windows_verified_total", counter, "Windows that were replayed and matched.", rungLabels},
	{"crescendo_rung_windows_undecided_total", counter, "Windows that evaluators could not decide.", rungLabels},
	{"crescendo_rung_uploaded_bytes_total", counter, "Bytes of all deltas that trainers have shown.", rungLabels},
}

// Programme measures a programme by a hub's read model.
func Programme(m *record.Model, viewers func() int) Source {
	return sourceOf(programmeFamilies, func(context.Context) []sample {
		var out []sample
		m.Read(func(n record.Now) error {
			out = programme(n, viewers())
			return nil
		})
		return out
	})
}

func programme(n record.Now, viewers int) []sample {
	one := func(name string, value float64) sample { return sample{name: name, value: value} }
	out := []sample{
		one("crescendo_hub_height", float64(n.Height)), one("crescendo_hub_newest_height", float64(n.Target)),
		one("crescendo_hub_stopped", truth(n.Stopped != nil)), one("crescendo_hub_disagreements", float64(len(n.Wrong))),
		one("crescendo_hub_viewers", float64(viewers)), one("crescendo_block_timestamp_seconds", float64(n.Time)/1000),
		one("crescendo_burned_units", float64(n.Burned())),
	}
	if wrong, err := n.SupplyError(); err == nil {
		out = append(out, one("crescendo_supply_error", float64(wrong)))
	}
	for i, spec := range n.Spec.Rungs {
		out = append(out, rung(n, uint32(i+1), spec)...)
	}
	return out
}

func rung(n record.Now, id uint32, spec program.Rung) []sample {
	labels := []string{strconv.FormatUint(uint64(id), 10), spec.Name}
	at := some(program.Rungs.Get(n.State, id))
	raise := some(funding.Raises.Get(n.State, id))
	run := some(training.Runs.Get(n.State, id))
	book := some(revenue.Books.Get(n.State, id))
	tally := n.Tallies[id-1]
	out := []sample{{"crescendo_rung_stage", append([]string{}, labels[0], labels[1], at.Stage.String()), 1}}
	for _, v := range []struct {
		name  string
		value float64
	}{
		{"raised_units", units(raise.Raised)}, {"spent_units", units(raise.Spent)},
		{"earned_units", units(book.Received)}, {"repaid_units", units(book.Holders)}, {"repay_units", units(book.Cap)},
		{"round", float64(run.Round)}, {"rounds", float64(spec.Training.Rounds)}, {"voids", float64(run.Voids)},
		{"training", truth(at.Stage == program.StageTraining)}, {"progress_height", float64(run.Progress)},
		{"trainers", float64(run.Seated)}, {"expelled_total", float64(tally.Expelled)},
		{"windows_verified_total", float64(tally.Verified)}, {"windows_undecided_total", float64(tally.Undecided)},
		{"uploaded_bytes_total", float64(tally.Uploaded)},
	} {
		out = append(out, sample{"crescendo_rung_" + v.name, labels, v.value})
	}
	return out
}

// some is a value of state, or zero where state has none yet.
func some[T any](v T, err error) T {
	if errors.Is(err, kv.ErrNotFound) {
		var zero T
		return zero
	}
	return v
}

func units(a crescendo.Amount) float64 { return float64(a) }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
