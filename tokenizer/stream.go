package tokenizer

import (
	"bytes"
	"unicode/utf8"
)

// Stream decodes tokens as they are generated. It holds back the bytes of a
// character that is not complete yet, so that what it returns can be shown at
// once; joined, its results are what Decode gives for all tokens together.
type Stream struct {
	t       *Tokenizer
	pending []byte // never more than three bytes
	strip   bool   // a blank that comes first was not in the text
}

// NewStream returns a decoder at the start of a text.
func (t *Tokenizer) NewStream() *Stream { return &Stream{t: t, strip: t.strips()} }

// NewContinuation returns a decoder of tokens that go on after others: a blank
// that comes first is one.
func (t *Tokenizer) NewContinuation() *Stream { return &Stream{t: t} }

// Push takes the next token and returns the bytes that are ready, if any.
func (s *Stream) Push(id int32) []byte {
	text := s.t.TokenBytes(id)
	if s.strip && len(text) > 0 {
		s.strip = false
		text = bytes.TrimPrefix(text, []byte{' '})
	}
	s.pending = append(s.pending, text...)
	ready := len(s.pending) - incomplete(s.pending)
	out := append([]byte(nil), s.pending[:ready]...)
	s.pending = append(s.pending[:0], s.pending[ready:]...)
	return out
}

// Flush returns what is still held back, which is not valid UTF-8, and starts
// over.
func (s *Stream) Flush() []byte {
	out := s.pending
	s.pending, s.strip = nil, s.t.strips()
	return out
}

// incomplete returns how many bytes at the end of text are the beginning of a
// character that more bytes could complete.
func incomplete(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		tail := text[len(text)-n:]
		if utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
