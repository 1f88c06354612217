package programfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/research"
)

// MaxTaskFile bounds a file of an evaluation task: escapes and all.
const MaxTaskFile = 8 * research.MaxTaskBytes

// taskLine is a line of such a file.
type taskLine struct {
	Context      string `json:"context"`
	Continuation string `json:"continuation"`
}

// ParseTask reads an evaluation task: JSON lines in any order, each with a
// context and a continuation. Lines that say the same count once.
func ParseTask(name string, data []byte) (research.EvaluationTask, error) {
	var t research.EvaluationTask
	if len(data) > MaxTaskFile {
		return t, crescendo.Errorf(crescendo.CodeInvalid, "read task %s: more than %d bytes", name, MaxTaskFile)
	}
	n := 0
	for line := range bytes.Lines(data) {
		if n++; len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var item taskLine
		if err := strict(line, &item); err != nil {
			return t, crescendo.Errorf(crescendo.CodeInvalid, "read task %s, line %d: %v", name, n, err).
				WithHint(`each line is an object like {"context": "2 + 2 is", "continuation": " 4"}`)
		}
		if len(t.Items) == 2*research.MaxTaskItems {
			return t, crescendo.Errorf(crescendo.CodeInvalid, "read task %s: more than %d items", name, research.MaxTaskItems)
		}
		t.Items = append(t.Items, research.TaskItem{Context: item.Context, Continuation: item.Continuation})
	}
	t.Sort()
	if err := t.Check(); err != nil {
		return t, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

func strict(line []byte, to any) error {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	return nil
}

// WriteTask writes a task as ParseTask reads it, in the one order it has.
func WriteTask(t research.EvaluationTask) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, item := range t.Items {
		if err := enc.Encode(taskLine(item)); err != nil {
			return nil, fmt.Errorf("write task: %w", err)
		}
	}
	return b.Bytes(), nil
}
