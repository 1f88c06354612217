package program_test

import (
	"errors"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
)

// scene is the moment before a message was sent in a life that went well.
type scene struct {
	env     crescendo.Env
	store   *kv.Memory
	message crescendo.Message
}

// scenes plays a life and keeps a scene of every kind of message.
func scenes(t testing.TB) []scene {
	var out []scene
	seen := map[string]bool{}
	watch = func(w *world, m crescendo.Message) {
		if !seen[m.TypeURL()] {
			seen[m.TypeURL()] = true
			out = append(out, scene{w.Env, cloned(w.Store), m})
		}
	}
	defer func() { watch = nil }()
	playLife(t)
	playContest(t)
	return out
}

func cloned(s *kv.Memory) *kv.Memory {
	out := kv.NewMemory()
	pairs, err := s.Range(nil, nil, 1<<20)
	if err != nil {
		panic(err)
	}
	for _, p := range pairs {
		out.Set(p.Key, p.Value)
	}
	return out
}

// Strangers may send any bytes at any time: they are refused with a code, or
// they are carried out and the block still ends. Nothing panics.
func FuzzApply(f *testing.F) {
	all := scenes(f)
	messages := program.Messages()
	for i, s := range all {
		for j, m := range messages {
			if m.TypeURL() == s.message.TypeURL() {
				f.Add(byte(i), byte(j), canon.Encode(s.message))
			}
		}
	}
	f.Fuzz(func(t *testing.T, at, kind byte, raw []byte) {
		s := all[int(at)%len(all)]
		m, err := program.Decode(messages[int(kind)%len(messages)].TypeURL(), raw)
		if err != nil {
			return
		}
		rules, store := program.Rules{Appraise: appraise}, kv.NewOverlay(s.store)
		_, err = rules.Apply(s.env, store, m)
		var refused *crescendo.Error
		if err != nil && (!errors.As(err, &refused) || refused.Code == crescendo.CodeInternal) {
			t.Fatalf("%T: %v", m, err)
		}
		if _, err := rules.EndBlock(s.env, store); err != nil {
			t.Fatalf("end of block after %T: %v", m, err)
		}
	})
}

// A message that was refused before has its say in every other scene, too.
func TestEveryMessageInEveryScene(t *testing.T) {
	all := scenes(t)
	if len(all) < 20 {
		t.Fatalf("a life shows only %d kinds of messages", len(all))
	}
	rules := program.Rules{Appraise: appraise}
	for _, at := range all {
		for _, s := range all {
			store := kv.NewOverlay(at.store)
			_, err := rules.Apply(at.env, store, s.message)
			var refused *crescendo.Error
			if err != nil && (!errors.As(err, &refused) || refused.Code == crescendo.CodeInternal || refused.Text == "") {
				t.Errorf("%T at height %d: %v", s.message, at.env.Height, err)
			}
			if _, err := rules.EndBlock(at.env, store); err != nil {
				t.Errorf("end of block after %T at height %d: %v", s.message, at.env.Height, err)
			}
		}
	}
}
