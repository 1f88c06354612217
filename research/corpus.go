package research

import (
	"errors"
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// MsgNameCorpus names the packed text that a rung's trials read; training then
// reads the same. Only the organiser may send it, once per rung, and before
// trials begin.
type MsgNameCorpus struct {
	Sender crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
	Corpus crescendo.Hash    `pb:"3"` // blob of the manifest
	Root   crescendo.Hash    `pb:"4"` // over its shards
}

// Text is the packed text of a rung's trials.
type Text struct {
	Corpus crescendo.Hash `pb:"1"`
	Root   crescendo.Hash `pb:"2"`
}

// Texts holds what trials read. Key: uint32(rung).
var Texts = kv.Map[Text]{Name: "research/text"}

// TypeURL implements crescendo.Message.
func (*MsgNameCorpus) TypeURL() string { return "/crescendo.research.v1.MsgNameCorpus" }

// From implements crescendo.Message.
func (m *MsgNameCorpus) From() crescendo.Account { return m.Sender }

// Check implements crescendo.Message.
func (m *MsgNameCorpus) Check() error {
	if m.Corpus.IsZero() || m.Root.IsZero() {
		return crescendo.Errorf(crescendo.CodeInvalid, "name the corpus of rung %d: manifest or root is missing", m.Rung)
	}
	return checkRung(m.Sender, m.Rung)
}

// NameCorpus fixes the text of a rung's trials, once and for all.
func NameCorpus(_ crescendo.Env, s kv.Store, m *MsgNameCorpus, organiser crescendo.Account) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	if m.Sender != organiser {
		return out, crescendo.Errorf(crescendo.CodeForbidden, "name the corpus of rung %d: only the organiser may", m.Rung)
	}
	named, err := Texts.Get(s, uint32(m.Rung))
	if err == nil {
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "name the corpus of rung %d: it is %s already", m.Rung, named.Corpus.Short())
	} else if !errors.Is(err, kv.ErrNotFound) {
		return out, fmt.Errorf("name the corpus of rung %d: %w", m.Rung, err)
	}
	out.Emit(crescendo.NewEvent("research.corpus", m.Rung, "corpus", m.Corpus, "root", m.Root))
	return out, Texts.Set(s, Text{Corpus: m.Corpus, Root: m.Root}, uint32(m.Rung))
}
