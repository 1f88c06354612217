package planner

import "fmt"

// notes says where the programme and the plan do not fit each other.
func (w work) notes(r Rung) []string {
	var notes []string
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	block := w.assumed.of("block")
	t := w.rung.Training
	if limit := float64(t.CommitBlocks) * block; r.ComputingSeconds > limit {
		add("a round's steps take %s, but commitments are due after %s (commit-blocks)", TimeText(r.ComputingSeconds), TimeText(limit))
	}
	if limit := float64(t.VoteBlocks) * block; r.PauseSeconds > limit {
		add("fetching and judging a round takes %s, but votes are due after %s (vote-blocks)", TimeText(r.PauseSeconds), TimeText(limit))
	}
	if r.Dollars > r.RaiseDollars {
		add("takes %s, raises at most %s", DollarText(r.Dollars), DollarText(r.RaiseDollars))
	}
	if r.PurseTokens < r.Tokens {
		add("the trainers' part of the purse pays for %s of %s tokens", CountText(float64(r.PurseTokens)), CountText(float64(r.Tokens)))
	}
	switch {
	case r.Tokens < r.ChinchillaTokens && r.ActiveParameters > 0:
		add("%.1f tokens per active parameter; of a plain model %.3g would be compute-optimal", w.tokens/w.active, w.assumed.of("tokens-per-parameter"))
	case r.Tokens < r.ChinchillaTokens:
		add("%.1f tokens per parameter; %.3g would be compute-optimal", r.TokensPerParameter, w.assumed.of("tokens-per-parameter"))
	}
	if r.Utilisation < 0.8 {
		add("sites compute %.0f %%: %s of steps, then %s of fetching, judging and blocks", r.Utilisation*100, TimeText(r.ComputingSeconds), TimeText(r.PauseSeconds))
	}
	return notes
}
