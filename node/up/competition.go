package up

import (
	"encoding/binary"

	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/role/actor"
)

// researchers are the demo researchers of the first rung's competition; nil if
// there is none.
func (u *run) researchers() actor.Actor {
	if u.Spec.Rungs[0].Competition.None() || len(u.cast.Researchers) == 0 {
		return nil
	}
	var honest, copiers []ledger.Signer
	for _, p := range u.cast.Researchers {
		honest = append(honest, u.signer(p))
	}
	for _, p := range u.cast.Copiers {
		copiers = append(copiers, u.signer(p))
	}
	entries := actor.DemoEntries(honest, copiers)
	if u.Spec.TakesTasks(1) == nil && len(honest) > 0 {
		entries = append(entries, actor.DemoTask(honest[0]))
	}
	return &actor.Researchers{
		Ledger: u.ledger, At: 1, Entries: entries,
		Secret: digest.Sum("crescendo/up/salt", binary.BigEndian.AppendUint64(nil, u.Seed), []byte(u.net.ChainID)),
	}
}

// newcomers are the demo newcomers of all seasons. One that qualifies is no
// newcomer to the next season, which refuses it.
func (u *run) newcomers() []actor.Actor {
	var signers []ledger.Signer
	for _, p := range u.cast.Newcomers {
		signers = append(signers, u.signer(p))
	}
	var out []actor.Actor
	for _, at := range u.Spec.Contests() {
		if at.IsSeason() && len(signers) > 0 && int(at.Rung()) <= u.rungs {
			out = append(out, &actor.Researchers{
				Ledger: u.ledger, At: at, Entries: actor.NewcomerEntries(signers),
				Secret: digest.Sum("crescendo/up/salt", binary.BigEndian.AppendUint64(nil, u.Seed), []byte(u.net.ChainID)),
			})
		}
	}
	return out
}

// triedCorpus is the corpus that the first rung's trials read, if it has been
// named.
func (u *run) triedCorpus(state ledger.State) (actor.Corpus, bool, error) {
	has, err := research.Texts.Has(state, uint32(1))
	if err != nil || !has {
		return actor.Corpus{}, false, err
	}
	text, err := research.Texts.Get(state, uint32(1))
	return actor.Corpus{Manifest: text.Corpus, Root: text.Root}, true, err
}
