package evaluation

import (
	"errors"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// MarkIncluded sets the Include flag of every score as the rule wants it:
// sound payloads that lower the loss on their own, or all sound ones if none
// does.
func MarkIncluded(v *Vote) {
	helps := func(s Score) bool { return s.Fault == "" && s.After < v.Before }
	some := slices.ContainsFunc(v.Scores, helps)
	for i, s := range v.Scores {
		v.Scores[i].Include = helps(s) || (!some && s.Fault == "")
	}
}

// CommitVote takes an evaluator's commitment to its vote on the open round.
func CommitVote(env crescendo.Env, s kv.Store, m *MsgCommitVote) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	if _, err := OnPanel(s, m.Rung, m.Round, m.Sender); err != nil {
		return out, err
	}
	done, err := Ballots.Has(s, uint32(m.Rung), uint32(m.Round), string(m.Sender))
	if err != nil {
		return out, err
	}
	if done {
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "vote in rung %d round %d: %s has committed already", m.Rung, m.Round, m.Sender)
	}
	out.Emit(crescendo.NewEvent("evaluation.committed", m.Rung, "round", m.Round, "evaluator", m.Sender))
	return out, Ballots.Set(s, Ballot{Commitment: m.Commitment}, uint32(m.Rung), uint32(m.Round), string(m.Sender))
}

// OpenVote opens a committed vote. Payloads are the trainers that the vote
// must score, in account order.
func OpenVote(env crescendo.Env, s kv.Store, m *MsgRevealVote, payloads []crescendo.Account) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	if _, err := OnPanel(s, m.Rung, m.Round, m.Sender); err != nil {
		return out, err
	}
	b, err := Ballots.Get(s, uint32(m.Rung), uint32(m.Round), string(m.Sender))
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return out, crescendo.Errorf(crescendo.CodeNotFound, "open vote in rung %d round %d: %s has not committed one", m.Rung, m.Round, m.Sender)
	case err != nil:
		return out, err
	case b.Opened:
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "open vote in rung %d round %d: %s has opened its vote already", m.Rung, m.Round, m.Sender)
	case VoteCommitment(env.ChainID, m.Rung, m.Round, m.Sender, m.Salt, m.Vote) != b.Commitment:
		return out, crescendo.Errorf(crescendo.CodeInvalid, "open vote in rung %d round %d: it does not match the commitment", m.Rung, m.Round)
	}
	if err := checkScores(m.Vote, payloads); err != nil {
		return out, crescendo.Errorf(crescendo.CodeInvalid, "open vote in rung %d round %d: %v", m.Rung, m.Round, err)
	}
	b.Opened, b.Digest = true, VoteDigest(m.Vote)
	out.Emit(crescendo.NewEvent("evaluation.voted", m.Rung, "round", m.Round, "evaluator", m.Sender, "vote", b.Digest.Short(), "checkpoint", m.Vote.Checkpoint))
	if err := Opened.Set(s, m.Vote, uint32(m.Rung), uint32(m.Round), b.Digest[:]); err != nil {
		return out, err
	}
	return out, Ballots.Set(s, b, uint32(m.Rung), uint32(m.Round), string(m.Sender))
}

func checkScores(v Vote, payloads []crescendo.Account) error {
	scored := make([]crescendo.Account, len(v.Scores))
	for i, s := range v.Scores {
		scored[i] = s.Trainer
	}
	if !slices.Equal(scored, payloads) {
		return errors.New("it must score every available payload and no other")
	}
	want := v
	want.Scores = slices.Clone(v.Scores)
	MarkIncluded(&want)
	if !slices.Equal(want.Scores, v.Scores) {
		return errors.New("its include flags do not follow from its losses")
	}
	return nil
}

// Tally is how far the votes on a round have come.
type Tally struct {
	Panel, Committed, Opened int
	// Carried names the vote that two thirds of the panel have opened, or
	// nothing. Agreed lists who opened it, in account order.
	Carried crescendo.Hash
	Agreed  []crescendo.Account
}

// Count counts the ballots of a round.
func Count(r kv.Reader, rung crescendo.RungID, round crescendo.Round) (Tally, error) {
	p, err := Panels.Get(r, uint32(rung), uint32(round))
	if err != nil {
		return Tally{}, err
	}
	ballots, err := Ballots.List(r, nil, MaxEvaluators, uint32(rung), uint32(round))
	if err != nil {
		return Tally{}, err
	}
	t := Tally{Panel: len(p.Members), Committed: len(ballots)}
	for _, b := range ballots {
		if !b.Value.Opened {
			continue
		}
		t.Opened++
		if agreed := agreeing(ballots, b.Value.Digest); len(agreed) >= Quorum(t.Panel) {
			t.Carried, t.Agreed = b.Value.Digest, agreed
		}
	}
	return t, nil
}

func agreeing(ballots []kv.Entry[Ballot], digest crescendo.Hash) []crescendo.Account {
	var out []crescendo.Account
	for _, b := range ballots {
		if b.Value.Opened && b.Value.Digest == digest {
			out = append(out, trimmed(b.Rest))
		}
	}
	return out
}

// Present lists who has committed a vote or, if opened is set, opened one.
func Present(r kv.Reader, rung crescendo.RungID, round crescendo.Round, opened bool) ([]crescendo.Account, error) {
	ballots, err := Ballots.List(r, nil, MaxEvaluators, uint32(rung), uint32(round))
	if err != nil {
		return nil, err
	}
	var out []crescendo.Account
	for _, b := range ballots {
		if b.Value.Opened || !opened {
			out = append(out, trimmed(b.Rest))
		}
	}
	return out, nil
}

// Carry records the vote that carried and slashes who opened another. It
// returns the vote.
func Carry(env crescendo.Env, s kv.Store, rung crescendo.RungID, round crescendo.Round, t Tally) (crescendo.Outcome, Vote, error) {
	var out crescendo.Outcome
	vote, err := Opened.Get(s, uint32(rung), uint32(round), t.Carried[:])
	if err != nil {
		return out, Vote{}, err
	}
	ballots, err := Ballots.List(s, nil, MaxEvaluators, uint32(rung), uint32(round))
	if err != nil {
		return out, Vote{}, err
	}
	for _, b := range ballots {
		if b.Value.Opened && b.Value.Digest != t.Carried {
			if err := slash(s, rung, round, trimmed(b.Rest), "voted against two thirds", &out); err != nil {
				return out, Vote{}, err
			}
		}
	}
	if err := Votes.Set(s, vote, uint32(rung), uint32(round)); err != nil {
		return out, Vote{}, err
	}
	return out, vote, forgetOpened(s, rung, round)
}

// Void forgets the ballots, opened votes, replays and disputes of an attempt.
func Void(s kv.Store, rung crescendo.RungID, round crescendo.Round) error {
	if err := forgetOpened(s, rung, round); err != nil {
		return err
	}
	for _, prefix := range [][]byte{
		Ballots.Key(uint32(rung), uint32(round)), Replays.Key(uint32(rung), uint32(round)), Disputes.Key(uint32(rung), uint32(round)),
	} {
		if err := forget(s, prefix); err != nil {
			return err
		}
	}
	return nil
}

func forgetOpened(s kv.Store, rung crescendo.RungID, round crescendo.Round) error {
	return forget(s, Opened.Key(uint32(rung), uint32(round)))
}

// forget deletes all keys under a prefix. What one attempt at a round leaves
// is bounded by its panel times its payloads.
func forget(s kv.Store, prefix []byte) error {
	for {
		pairs, err := s.Range(prefix, nil, kv.MaxPage)
		if err != nil || len(pairs) == 0 {
			return err
		}
		for _, p := range pairs {
			if err := s.Delete(p.Key); err != nil {
				return err
			}
		}
	}
}
