package tokenizer

import (
	"encoding/json"
	"fmt"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string // "system", "user" or "assistant"
	Content string
}

// ChatTemplate is the layout of EncodeChat in the template language that other
// engines read.
const ChatTemplate = `{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}`

// EncodeChat returns the tokens of a conversation, up to where the model is to
// answer. Whatever a message says, it stays within its turn: contents never
// encode to control tokens.
func (t *Tokenizer) EncodeChat(messages []Message) ([]int32, error) {
	if t.foreign != nil {
		return t.encodeTurns(messages, true)
	}
	ids, err := t.EncodeTurns(messages)
	if err != nil {
		return nil, err
	}
	return append(ids, Assistant), nil
}

// EncodeTurns returns the tokens of a conversation that is over.
func (t *Tokenizer) EncodeTurns(messages []Message) ([]int32, error) {
	if t.foreign != nil {
		return t.encodeTurns(messages, false)
	}
	var ids []int32
	for i, m := range messages {
		switch m.Role {
		case "system":
			ids = append(ids, System)
		case "user":
			ids = append(ids, User)
		case "assistant":
			ids = append(ids, Assistant)
		default:
			return nil, fmt.Errorf("encode message %d: role %.40q, want system, user or assistant", i, m.Role)
		}
		ids = append(t.AppendEncode(ids, []byte(m.Content)), EndOfTurn)
	}
	return ids, nil
}

// Stops reports whether a generated token ends the answer.
func Stops(id int32) bool { return id == EndOfText || id == EndOfTurn }

// ConfigJSON returns the tokenizer_config.json that goes with tokenizer.json
// in an exported model.
func (t *Tokenizer) ConfigJSON(context int) ([]byte, error) {
	if t.foreign != nil {
		return t.configJSON(context)
	}
	return json.MarshalIndent(struct {
		Class        string `json:"tokenizer_class"`
		BOS          any    `json:"bos_token"`
		EOS          string `json:"eos_token"`
		Pad          string `json:"pad_token"`
		MaxLength    int    `json:"model_max_length"`
		CleanUp      bool   `json:"clean_up_tokenization_spaces"`
		ChatTemplate string `json:"chat_template"`
	}{
		Class:        "PreTrainedTokenizerFast",
		EOS:          controlNames[EndOfText],
		Pad:          controlNames[EndOfText],
		MaxLength:    context,
		ChatTemplate: ChatTemplate,
	}, "", "  ")
}
