package trial_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/native"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/research/trial"
)

// tales packs documents that say much the same, and returns the text and one of
// its training documents.
func tales(t *testing.T, vocabulary int) (trial.Text, string) {
	t.Helper()
	dir := t.TempDir()
	for i := range 80 {
		var b strings.Builder
		for j := range 30 {
			fmt.Fprintf(&b, "the story %d has a line %d, and after it comes line %d of many\n", i, j, j+1)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.txt", i)), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	store := blob.NewMemory()
	pack, err := corpus.Build(t.Context(), corpus.Directory(dir), corpus.Options{Store: store, Vocab: vocabulary, Context: 32, HeldOutPerMille: 150}, nil)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := corpus.Open(t.Context(), store, pack.Hash)
	if err != nil {
		t.Fatal(err)
	}
	told, err := reader.Text(t.Context(), corpus.Train, 0)
	if err != nil {
		t.Fatal(err)
	}
	return trial.OfCorpus(reader), string(told)
}

func retold(tokenizer research.Tokenizer) trial.Task {
	k := task(func(r *program.Rung) {
		if !tokenizer.None() {
			r.Model.Vocab, r.Training.Tokenizer = tokenizer.Vocabulary, tokenizer
		}
	})
	k.Spec.Corpus.Vocabulary = 300
	return k
}

// new stories of the same kind, long and short ones.
func questions(n int) (out research.EvaluationTask) {
	for i := range n {
		out.Items = append(out.Items, research.TaskItem{
			Context:      fmt.Sprintf("a new story, number %d, begins on line %d and", 900+i, i),
			Continuation: strings.Repeat(fmt.Sprintf(" after it comes line %d", 700+i), 1+i%5),
		})
	}
	out.Sort()
	return out
}

func ask(t *testing.T, threads int, text trial.Text, k trial.Task) trial.Result {
	t.Helper()
	r, err := trial.Run(t.Context(), native.New(threads), text, k, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What recipes are asked beside the documents changes nothing else, and comes
// out alike everywhere.
func TestQuestions(t *testing.T) {
	text, told := tales(t, 300)
	plain := ask(t, 1, text, retold(research.Tokenizer{}))
	k := retold(research.Tokenizer{})
	k.Questions = []research.EvaluationTask{questions(9), {Items: []research.TaskItem{
		{Context: told[:30], Continuation: told[30:200]}, {Context: "nobody has told this", Continuation: " before, and nobody will tell it again"}}}}
	a, b := ask(t, 1, text, k), ask(t, 3, text, k)
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("one thread and three: %s", d)
	}
	n := len(plain.Losses)
	if a.Weights != plain.Weights || !cmp.Equal(a.Losses[:n], plain.Losses) {
		t.Error("asking questions changed the weights or the losses on documents")
	}
	if len(a.Losses) != n+11 {
		t.Fatalf("%d losses for %d documents and 11 items", len(a.Losses), n)
	}
	answers := a.Losses[n:]
	for i, l := range answers[:9] {
		if perByte := float64(l) / 1e6 / float64(len(k.Questions[0].Items[i].Continuation)); perByte < 0.2 || perByte > 5 {
			t.Errorf("item %d: %.3f nats per byte", i, perByte)
		}
	}
	if answers[9] != 0 {
		t.Errorf("an item that repeats the corpus has the loss %d", answers[9])
	}
	if answers[10] == 0 {
		t.Error("an item that is new counts nothing")
	}
}

// A longer training makes better answers: they are of the trained model.
func TestQuestionsAreAskedAfterTraining(t *testing.T) {
	text, _ := tales(t, 300)
	sum := func(tokens uint64) (total uint64) {
		k := retold(research.Tokenizer{})
		k.Tokens, k.Questions = tokens, []research.EvaluationTask{questions(10)}
		r := ask(t, 1, text, k)
		for _, l := range r.Losses[len(r.Losses)-10:] {
			total += l
		}
		return total
	}
	if before, after := sum(1), sum(60*4*32); after >= before*9/10 {
		t.Errorf("loss on items %d after one step, %d after 60", before, after)
	}
}

// A text without documents cannot be asked about.
func TestQuestionsNeedText(t *testing.T) {
	k := task(nil)
	k.Questions = []research.EvaluationTask{questions(8)}
	if _, err := trial.Run(t.Context(), native.New(1), text{48}, k, nil); err == nil {
		t.Error("questions about made-up tokens: no error")
	}
	k = task(func(r *program.Rung) { r.Training.Tokenizer = research.Tokenizer{Vocabulary: 300} })
	if _, err := trial.Run(t.Context(), native.New(1), text{48}, k, nil); err == nil {
		t.Error("another tokenizer for made-up tokens: no error")
	}
}

// Recipes with other tokenizers are asked for the same bytes: an untrained
// model spends about ln(vocabulary) on each of its tokens.
func TestOwnTokenizer(t *testing.T) {
	text, _ := tales(t, 300)
	base := ask(t, 1, text, retold(research.Tokenizer{}))
	for _, tokenizer := range []research.Tokenizer{{Vocabulary: 300, SampleBytes: 5000}, {Vocabulary: 420}, {Vocabulary: 261}} {
		k := retold(tokenizer)
		k.Questions = []research.EvaluationTask{questions(8)}
		a, b := ask(t, 1, text, k), ask(t, 2, text, k)
		if d := cmp.Diff(a, b); d != "" {
			t.Errorf("%+v: one thread and two: %s", tokenizer, d)
		}
		if len(a.Losses) != len(base.Losses)+8 {
			t.Fatalf("%+v: %d losses", tokenizer, len(a.Losses))
		}
		if a.Weights == base.Weights {
			t.Errorf("%+v: trains to the same weights", tokenizer)
		}
	}
}

// A tokenizer that is the programme's own in other words trains to the same
// bits: it will be found to be a copy.
func TestSameTokenizerIsTheSameRecipe(t *testing.T) {
	text, _ := tales(t, 300)
	a, b := ask(t, 1, text, retold(research.Tokenizer{})), ask(t, 1, text, retold(research.Tokenizer{Vocabulary: 300}))
	if d := cmp.Diff(a, b); d != "" {
		t.Error(d)
	}
}

// A tokenizer that leaves no text to train on has the worst loss, for everybody.
func TestTokenizerThatLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	for i := range 14 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.txt", i)), []byte(strings.Repeat(fmt.Sprintf("tale %d of several ", i), 9)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	store := blob.NewMemory()
	pack, err := corpus.Build(t.Context(), corpus.Directory(dir), corpus.Options{Store: store, Vocab: 261, Context: 128, HeldOutPerMille: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := corpus.Open(t.Context(), store, pack.Hash)
	if err != nil {
		t.Fatal(err)
	}
	k := retold(research.Tokenizer{Vocabulary: 400})
	k.Spec.Corpus.Vocabulary, k.Spec.Rungs[0].Model.Context, k.Window, k.Documents = 261, 128, 128, 1
	k.Questions = []research.EvaluationTask{questions(8)}
	r := ask(t, 1, trial.OfCorpus(reader), k)
	if r.Losses[0] != 20_000_000*128 || len(r.Losses) != 9 || r.Losses[1] == 0 {
		t.Errorf("losses %v", r.Losses)
	}
}

// Asking a model alone gives the mean of what a trial would have noted: here of
// an untrained one, which spends about ln(300) on each token.
func TestAsk(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte(strings.Repeat("one two three four five six seven. ", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b.txt"), []byte(strings.Repeat("eight nine ten eleven twelve and so on. ", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	store := blob.NewMemory()
	pack, err := corpus.Build(t.Context(), corpus.Directory(dir), corpus.Options{Store: store, Vocab: 300, Context: 32}, nil)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := corpus.Open(t.Context(), store, pack.Hash)
	if err != nil {
		t.Fatal(err)
	}
	e := native.New(1)
	model, err := e.New(engine.Shape{Vocab: 300, Dim: 16, Layers: 1, Heads: 2, KVHeads: 2, FFN: 32, Context: 32, Tied: true, RopeTheta: 10000, NormEps: 1e-5})
	if err != nil {
		t.Fatal(err)
	}
	e.Init(model, 1)
	task := questions(8)
	tokens, bytes := 0, 0
	for _, item := range task.Items {
		_, after := reader.Question(item.Context, item.Continuation)
		tokens, bytes = tokens+len(after), bytes+len(item.Continuation)
	}
	want := 5.704 * float64(tokens) / float64(bytes) // ln 300
	got, err := trial.Ask(t.Context(), model, reader, task)
	if err != nil {
		t.Fatal(err)
	}
	if v := float64(got) / 1e6; v < want*0.9 || v > want*1.1 {
		t.Errorf("%.3f nats per byte, want about %.3f", v, want)
	}
	known := research.EvaluationTask{Items: []research.TaskItem{{Context: strings.Repeat("one two three four five six seven. ", 2), Continuation: "one two three"}}}
	if got, err := trial.Ask(t.Context(), model, reader, known); err != nil || got != 0 {
		t.Errorf("text of the corpus: loss %d, error %v", got, err)
	}
}
