package program_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
)

// signedBy is the message as somebody else would send it.
func signedBy(t *testing.T, m crescendo.Message, who crescendo.Account) crescendo.Message {
	t.Helper()
	copied, err := program.Decode(m.TypeURL(), canon.Encode(m))
	if err != nil {
		t.Fatal(err)
	}
	reflect.ValueOf(copied).Elem().FieldByName("Sender").SetString(string(who))
	return copied
}

// The organiser carries a programme through its stages and has no part of its
// money: whatever message it sends, at whatever time, moves nothing to it.
func TestOrganiserIsPaidNothing(t *testing.T) {
	all := scenes(t)
	rules := program.Rules{Appraise: appraise}
	accepted := 0
	for _, at := range all {
		for _, s := range all {
			store := kv.NewOverlay(at.store)
			out, err := rules.Apply(at.env, store, signedBy(t, s.message, organiser))
			if err != nil {
				continue
			}
			accepted++
			for _, transfer := range out.Transfers {
				if transfer.To == organiser {
					t.Errorf("height %d: %T moves %d from %s to the organiser", at.env.Height, s.message, transfer.Amount, transfer.From)
				}
			}
		}
	}
	if accepted < len(all) {
		t.Errorf("only %d messages of the organiser were accepted", accepted)
	}
	if p := playLife(t); p.Bank.Balance(organiser) > initialOf(t, p) {
		t.Error("the organiser has earned something over the life of a programme")
	}
}

// initialOf is what the organiser began with.
func initialOf(t *testing.T, p *player) crescendo.Amount {
	t.Helper()
	fresh, err := newWorld(testSpec())
	if err != nil {
		t.Fatal(err)
	}
	return fresh.Bank.Balance(organiser)
}

// Nobody but the organiser can do what is the organiser's to do.
func TestStrangersDoNotOrganise(t *testing.T) {
	const stranger = crescendo.Account("stranger")
	rules := program.Rules{Appraise: appraise}
	tried := 0
	for _, s := range scenes(t) {
		if s.message.From() != organiser {
			continue
		}
		tried++
		before := kv.NewOverlay(s.store)
		_, err := rules.Apply(s.env, before, signedBy(t, s.message, stranger))
		if crescendo.CodeOf(err) != crescendo.CodeForbidden {
			t.Errorf("%T by a stranger: %v", s.message, err)
		}
	}
	if tried < 5 {
		t.Errorf("only %d kinds of the organiser's messages were tried", tried)
	}
}

// What can be done to a programme at all. A new message is a new power: say in
// docs/powers.md who has it.
func TestMessagesAreTheseAndNoOthers(t *testing.T) {
	want := strings.Fields(`
		/crescendo.evaluation.v1.MsgCommitVote
		/crescendo.evaluation.v1.MsgRegister
		/crescendo.evaluation.v1.MsgReplay
		/crescendo.evaluation.v1.MsgRevealVote
		/crescendo.funding.v1.MsgContribute
		/crescendo.funding.v1.MsgRefund
		/crescendo.governance.v1.MsgPropose
		/crescendo.governance.v1.MsgVote
		/crescendo.inference.v1.MsgClose
		/crescendo.inference.v1.MsgOpen
		/crescendo.inference.v1.MsgSettle
		/crescendo.program.v1.MsgOpenRaise
		/crescendo.research.v1.MsgAdopt
		/crescendo.research.v1.MsgCommitTrial
		/crescendo.research.v1.MsgEnter
		/crescendo.research.v1.MsgNameCorpus
		/crescendo.research.v1.MsgRegister
		/crescendo.research.v1.MsgRevealEntry
		/crescendo.research.v1.MsgRevealTrial
		/crescendo.research.v1.MsgRun
		/crescendo.revenue.v1.MsgClaim
		/crescendo.sealing.v1.MsgAllow
		/crescendo.sealing.v1.MsgHandOver
		/crescendo.sealing.v1.MsgPublishKey
		/crescendo.sealing.v1.MsgRegisterKeeper
		/crescendo.sealing.v1.MsgRegisterVault
		/crescendo.sealing.v1.MsgRequestKey
		/crescendo.sealing.v1.MsgSeal
		/crescendo.training.v1.MsgAttest
		/crescendo.training.v1.MsgCommit
		/crescendo.training.v1.MsgJoin
		/crescendo.training.v1.MsgLeave
		/crescendo.training.v1.MsgReveal
		/crescendo.training.v1.MsgStart
	`)
	var got []string
	for _, m := range program.Messages() {
		got = append(got, m.TypeURL())
	}
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
