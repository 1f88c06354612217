package openai

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/tokenizer"
)

// Scores turns what a vault says of the tokens of one answer into the form that
// the kind of request has for it.
type Scores struct {
	tokenizer *tokenizer.Tokenizer
	chat      bool
	hide      int // tokens at the beginning that the client did not send
	text      *tokenizer.Stream
	chars     int // of text so far

	completion *completionScores
	turns      *chatScores
}

// completionScores is the form of /v1/completions: lists of equal length. The
// first token of a text has no log probability.
type completionScores struct {
	Offsets  []int                `json:"text_offset"`
	Logprobs []*float64           `json:"token_logprobs"`
	Tokens   []string             `json:"tokens"`
	Top      []map[string]float64 `json:"top_logprobs"`
}

// chatScores is the form of /v1/chat/completions.
type chatScores struct {
	Content []chatScore `json:"content"`
	Refusal []chatScore `json:"refusal"`
}

type chatScore struct {
	chatToken
	Top []chatToken `json:"top_logprobs"`
}

type chatToken struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

// NewScores begins an answer. Of an echoed prompt the first hide tokens are not
// shown.
func NewScores(t *tokenizer.Tokenizer, chat bool, hide int) *Scores {
	return &Scores{tokenizer: t, chat: chat, hide: hide, text: t.NewStream()}
}

// GoOn says that the tokens go on after a text: without an echo of the prompt.
func (s *Scores) GoOn() { s.text = s.tokenizer.NewContinuation() }

// Add takes the next event of the answer.
func (s *Scores) Add(e prompt.Event) {
	for i, score := range e.Scores {
		id := int32(e.Tokens[i])
		offset := s.chars
		s.chars += utf8.RuneCount(s.text.Push(id))
		switch {
		case e.Kind == prompt.TokensOfPrompt && s.hide > 0:
			s.hide--
		case !s.chat:
			s.complete(id, offset, score)
		case e.Kind == prompt.TokensMade:
			s.turn(id, score)
		}
	}
}

// Take returns what was added since it was last called; nil if nothing was.
func (s *Scores) Take() any {
	switch {
	case s == nil:
		return nil
	case s.completion != nil:
		out := s.completion
		s.completion = nil
		return out
	case s.turns != nil:
		out := s.turns
		s.turns = nil
		return out
	}
	return nil
}

func (s *Scores) complete(id int32, offset int, score prompt.Score) {
	if s.completion == nil {
		s.completion = &completionScores{}
	}
	c := s.completion
	c.Tokens = append(c.Tokens, Label(s.tokenizer, id))
	c.Offsets = append(c.Offsets, offset)
	if score.None {
		c.Logprobs, c.Top = append(c.Logprobs, nil), append(c.Top, nil)
		return
	}
	logprob := logprobOf(score.Loss)
	c.Logprobs = append(c.Logprobs, &logprob)
	top := make(map[string]float64, len(score.Top)+1)
	for _, a := range score.Top {
		if label := Label(s.tokenizer, int32(a.Token)); !has(top, label) {
			top[label] = logprobOf(a.Loss)
		}
	}
	if label := Label(s.tokenizer, id); !has(top, label) {
		top[label] = logprob // the token itself is always named
	}
	c.Top = append(c.Top, top)
}

func has(m map[string]float64, key string) bool { _, ok := m[key]; return ok }

func (s *Scores) turn(id int32, score prompt.Score) {
	if s.turns == nil {
		s.turns = &chatScores{}
	}
	c := chatScore{chatToken: s.chatToken(id, score.Loss), Top: []chatToken{}}
	for _, a := range score.Top {
		c.Top = append(c.Top, s.chatToken(int32(a.Token), a.Loss))
	}
	s.turns.Content = append(s.turns.Content, c)
}

func (s *Scores) chatToken(id int32, loss uint64) chatToken {
	raw := s.tokenizer.TokenBytes(id)
	out := chatToken{Token: Label(s.tokenizer, id), Logprob: logprobOf(loss), Bytes: make([]int, len(raw))}
	for i, b := range raw {
		out.Bytes[i] = int(b)
	}
	return out
}

// logprobOf is a log probability in nats. Zero has no sign.
func logprobOf(loss uint64) float64 {
	if loss == 0 {
		return 0
	}
	return -float64(loss) / prompt.Million
}

// Label writes a token for people: its text, its name if it has no text, or its
// bytes if they are not whole characters.
func Label(t *tokenizer.Tokenizer, id int32) string {
	raw := t.TokenBytes(id)
	switch {
	case len(raw) == 0:
		if name := t.Control(id); name != "" {
			return name
		}
		return fmt.Sprintf("<|%d|>", id)
	case utf8.Valid(raw):
		return string(raw)
	}
	var b strings.Builder
	b.WriteString("bytes:")
	for _, c := range raw {
		fmt.Fprintf(&b, `\x%02x`, c)
	}
	return b.String()
}
