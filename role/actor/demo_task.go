package actor

import (
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/research"
)

// DemoTask is the evaluation task of a demo researcher: Go as people write it,
// but not as it stands in the Go tree.
func DemoTask(author ledger.Signer) DemoEntry {
	t := research.EvaluationTask{Items: []research.TaskItem{
		{Context: "// Tally counts how many seats each of the three choirs has taken.\nfunc Tally(", Continuation: "choirs []Choir) map[string]int {\n"},
		{Context: "\tif err := orchard.Water(ctx, pear); err != nil {\n", Continuation: "\t\treturn fmt.Errorf(\"water the pear: %w\", err)\n\t}\n"},
		{Context: "package kettle\n\nimport (\n\t\"errors\"\n\t\"fmt\"\n", Continuation: "\t\"io\"\n\t\"time\"\n)\n"},
		{Context: "func TestHarbourClosesAtNight(t *testing.T) {\n\th := newHarbour(", Continuation: "t)\n\tif got := h.Open(midnight); got {\n\t\tt.Errorf("},
		{Context: "for i, boat := range fleet {\n\tif boat.Mast == ", Continuation: "nil {\n\t\tcontinue\n\t}\n"},
		{Context: "// A Violin is out of tune when it is made, and stays so until ", Continuation: "Tune is called. It is not safe for concurrent use.\n"},
		{Context: "\tcase *ast.Teapot:\n\t\tv.pour(n)\n\tcase *ast.Saucer:\n", Continuation: "\t\tv.place(n)\n\tdefault:\n\t\tpanic(\"unexpected node\")\n"},
		{Context: "type bakery struct {\n\tmu    sync.Mutex\n\tloaves ", Continuation: "map[string]*loaf // guarded by mu\n}\n"},
		{Context: "switch w := weather.(type) {\ncase hail:\n\treturn w.size > 3\ncase ", Continuation: "drizzle:\n\treturn false\n}\n"},
		{Context: "The ferry leaves when it is full. To wait for it, call ", Continuation: "the Wait method, which returns when the context is done.\n"},
		{Context: "\tdefer func() {\n\t\tif cerr := lantern.Close(); err == nil {\n", Continuation: "\t\t\terr = cerr\n\t\t}\n\t}()\n"},
		{Context: "func (q *queue) Len() int           { return len(q.geese) }\nfunc (q *queue) ", Continuation: "Less(i, j int) bool { return q.geese[i].age < q.geese[j].age }\n"},
	}}
	t.Sort()
	return DemoEntry{Signer: author, Task: t, Recipe: research.Recipe{Version: research.RecipeVersion, Author: author.Account(),
		Name: "code nobody has written", Evaluation: t.ID()}}
}
