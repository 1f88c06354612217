package research_test

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/digest"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/internal/transcript"
	"github.com/crescendo-network/crescendo/research"
)

// Each file in testdata is a conversation with the rules of research; recipes
// are named, their hashes derived from the names. After a change on purpose,
// run: go test ./research -rewrite, and read the diff.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		c := newContest()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return command(t, c, d) })
	})
}

func recipe(name string) crescendo.Hash { return digest.Sum("test/recipe", []byte(name)) }

func command(t *testing.T, w *contest, d *datadriven.TestData) string {
	var by, name string
	rung := uint32(1)
	d.MaybeScanArgs(t, "by", &by)
	d.MaybeScanArgs(t, "recipe", &name)
	d.MaybeScanArgs(t, "rung", &rung)
	switch d.Cmd {
	case "hash":
		return recipe(name).String() + "\n"
	case "register":
		m := &research.MsgRegister{Sender: crescendo.Account(by), Rung: crescendo.RungID(rung), Recipe: recipe(name)}
		if arg, ok := d.Arg("on"); ok {
			for _, parent := range arg.Vals {
				m.Parents = append(m.Parents, recipe(parent))
			}
		}
		return w.World.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			if err := m.Check(); err != nil {
				return crescendo.Outcome{}, err
			}
			return research.Register(env, s, m)
		})
	case "adopt":
		m := &research.MsgAdopt{Sender: crescendo.Account(by), Rung: crescendo.RungID(rung), Recipe: recipe(name)}
		return w.World.Print(func(env crescendo.Env, s kv.Store) (crescendo.Outcome, error) {
			return research.Adopt(env, s, m, "organiser")
		})
	case "adopted":
		hash, r, err := research.Adopted(w.Store, crescendo.RungID(rung))
		if err != nil {
			return transcript.Format(crescendo.Outcome{}, err)
		}
		return fmt.Sprintf("%s by %s, %d parents\n", hash.Short(), r.Author, len(r.Parents))
	}
	return w.command(t, d)
}
