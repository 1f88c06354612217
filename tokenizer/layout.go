package tokenizer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A layout is how the turns of a chat are put for models that were made
// elsewhere. Their folders say it as a program in a template language; we know
// some layouts instead, by the control tokens that they need, and text within
// them stays text.
type layout struct {
	before, after, close string    // control tokens around the role, and after the content; "" for none
	gap, tail            string    // text between role and content, and after a turn
	trim                 bool      // of the content
	roles                [3]string // for system, user, assistant
	jinja                string
}

var layouts = []*layout{
	{
		before: "<|start_header_id|>", after: "<|end_header_id|>", close: "<|eot_id|>", gap: "\n\n", trim: true,
		roles: [3]string{"system", "user", "assistant"},
		jinja: `{{ bos_token or '' }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}`,
	},
	{
		before: "<|im_start|>", close: "<|im_end|>", gap: "\n", tail: "\n",
		roles: [3]string{"system", "user", "assistant"},
		jinja: `{{ bos_token or '' }}{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`,
	},
	plainLayout,
}

// plainLayout is for models that know no chats. Nothing but its text parts the
// turns, so that a turn may pretend to be several.
var plainLayout = &layout{
	gap: ": ", tail: "\n\n", roles: [3]string{"System", "User", "Assistant"},
	jinja: `{{ bos_token or '' }}{% for message in messages %}{{ message['role'] | capitalize + ': ' + message['content'] + '\n\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}`,
}

func layoutOf(t *Tokenizer) *layout {
	for _, l := range layouts {
		if !slices.ContainsFunc([]string{l.before, l.after, l.close}, func(name string) bool {
			_, ok := t.ControlID(name)
			return name != "" && !ok
		}) {
			return l
		}
	}
	return plainLayout
}

func (l *layout) end(t *Tokenizer) []int32 {
	if id, ok := t.ControlID(l.close); ok {
		return []int32{id}
	}
	return nil
}

func roleIndex(role string) int { return slices.Index([]string{"system", "user", "assistant"}, role) }

// encodeTurns lays a chat out; open is whether the model is to answer. Texts
// between two control tokens are encoded together, as other programs do.
func (t *Tokenizer) encodeTurns(messages []Message, open bool) ([]int32, error) {
	l := t.foreign.layout
	w := turnWriter{t: t, ids: t.Start(), first: true}
	for i, m := range messages {
		role := roleIndex(m.Role)
		if role < 0 {
			return nil, fmt.Errorf("encode message %d: role %.40q, want system, user or assistant", i, m.Role)
		}
		content := m.Content
		if l.trim {
			content = strings.TrimSpace(content)
		}
		w.control(l.before)
		w.text.WriteString(l.roles[role])
		w.control(l.after)
		w.text.WriteString(l.gap + content)
		w.control(l.close)
		w.text.WriteString(l.tail)
	}
	if open {
		w.control(l.before)
		w.text.WriteString(l.roles[2])
		w.control(l.after)
		w.text.WriteString(strings.TrimSuffix(l.gap, " "))
	}
	w.flush()
	return w.ids, nil
}

type turnWriter struct {
	t     *Tokenizer
	ids   []int32
	text  strings.Builder
	first bool
}

func (w *turnWriter) control(name string) {
	id, ok := w.t.ControlID(name)
	if !ok {
		return // the layout has none here
	}
	w.flush()
	w.ids, w.first = append(w.ids, id), false
}

func (w *turnWriter) flush() {
	text := []byte(w.text.String())
	w.text.Reset()
	if w.first || w.t.foreign.prefix != prefixFirst {
		w.ids = w.t.AppendEncode(w.ids, text)
	} else {
		w.ids = w.t.AppendContinuation(w.ids, text)
	}
	w.first = w.first && len(text) == 0
}

// configJSON is ConfigJSON for tokenizers that were made elsewhere.
func (t *Tokenizer) configJSON(context int) ([]byte, error) {
	o := t.foreign
	name := func(ids []int32) any {
		if len(ids) == 0 || t.Control(ids[0]) == "" {
			return nil
		}
		return t.Control(ids[0])
	}
	return json.MarshalIndent(struct {
		Class        string `json:"tokenizer_class"`
		AddBOS       bool   `json:"add_bos_token"`
		BOS          any    `json:"bos_token"`
		EOS          any    `json:"eos_token"`
		MaxLength    int    `json:"model_max_length"`
		CleanUp      bool   `json:"clean_up_tokenization_spaces"`
		ChatTemplate string `json:"chat_template"`
	}{
		Class: "PreTrainedTokenizerFast", AddBOS: len(o.start) > 0, BOS: name(o.start), EOS: name(o.ends), MaxLength: context,
		ChatTemplate: o.layout.jinja,
	}, "", "  ")
}

// Chat returns the layout of chats in the template language that other programs
// read.
func (t *Tokenizer) Chat() string {
	if t.foreign == nil {
		return ChatTemplate
	}
	return t.foreign.layout.jinja
}
