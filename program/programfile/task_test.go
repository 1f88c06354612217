package programfile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/research"
)

// lines is a task of n items, backwards.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"context":"%02d is the number of this question, and then","continuation":" comes <text> \u00e9"}`+"\n", n-i)
	}
	return b.String()
}

func TestParseTask(t *testing.T) {
	task, err := ParseTask("t.jsonl", []byte("\n"+lines(9)+lines(1)+"  \n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(task.Items) != 9 || task.Items[0].Context[:2] != "01" || task.Items[8].Continuation != " comes <text> é" {
		t.Errorf("%d items, first %q, last %q", len(task.Items), task.Items[0].Context, task.Items[8].Continuation)
	}
	written, err := WriteTask(task)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseTask("again", written)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(task, again); d != "" {
		t.Error(d)
	}
}

func TestParseTaskRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":       "",
		"no JSON":       "context: a\n",
		"unknown key":   lines(8) + `{"context":"a","continuation":"b","answer":"c"}`,
		"two objects":   lines(8) + `{"context":"a","continuation":"b"}{}`,
		"a list":        "[]\n",
		"too few":       lines(7),
		"too many":      lines(research.MaxTaskItems + 1),
		"far too many":  lines(2*research.MaxTaskItems + 1),
		"empty answer":  lines(8) + `{"context":"` + strings.Repeat("a", 60) + `","continuation":""}`,
		"short item":    lines(8) + `{"context":"a","continuation":"b"}`,
		"too much text": strings.Repeat(" ", MaxTaskFile+1),
	} {
		if _, err := ParseTask("t.jsonl", []byte(text)); crescendo.CodeOf(err) != crescendo.CodeInvalid {
			t.Errorf("%s: error %v", name, err)
		}
	}
	_, err := ParseTask("t.jsonl", []byte(lines(3)+"{\n"))
	if err == nil || !strings.Contains(err.Error(), "t.jsonl, line 4:") {
		t.Errorf("the error does not say where: %v", err)
	}
}

// Whatever is read can be written and read again, to the same name.
func FuzzParseTask(f *testing.F) {
	f.Add([]byte(lines(8)))
	f.Add([]byte(`{"context":"\ud800","continuation":"\u0000"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		task, err := ParseTask("fuzz", data)
		if err != nil {
			return
		}
		written, err := WriteTask(task)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseTask("again", written)
		if err != nil {
			t.Fatalf("%v: cannot read again what was written: %q", err, written)
		}
		if again.ID() != task.ID() {
			t.Fatalf("%s became %s: %q", task.ID(), again.ID(), written)
		}
	})
}
