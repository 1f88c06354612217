package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// Pattern cuts text into words; merges never cross their borders. It is the
// pattern of Llama 3, so that other engines apply it too. nextWord implements
// it by hand: the regexp package has no lookahead, and this is much faster.
const Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

type class uint8

const (
	other   class = iota // punctuation, symbols, marks, and bytes that are not UTF-8
	letter               // \p{L}
	number               // \p{N}
	space                // \s but line breaks
	newline              // \r and \n
)

var asciiClass = func() (table [utf8.RuneSelf]class) {
	for c := range table {
		table[c] = classOf(rune(c))
	}
	return table
}()

func classOf(r rune) class {
	switch {
	case r == '\n' || r == '\r':
		return newline
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// at returns class and length of the character at text[i:], which must not be
// empty.
func at(text []byte, i int) (class, int) {
	if c := text[i]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	r, size := utf8.DecodeRune(text[i:])
	if r == utf8.RuneError && size == 1 {
		return other, 1
	}
	return classOf(r), size
}

// run returns the end of the characters of class c that start at i.
func run(text []byte, i int, c class) int {
	for i < len(text) {
		k, n := at(text, i)
		if k != c {
			break
		}
		i += n
	}
	return i
}

// nextWord returns the length of the first word of text, which must not be
// empty, by Pattern.
func nextWord(text []byte) int { return nextLlama(text, 3) }

// nextLlama is nextWord for patterns that join another number of digits. The
// cases stand in the order of the alternatives of Pattern.
func nextLlama(text []byte, digits int) int {
	c, n := at(text, 0)
	if text[0] == '\'' {
		if end := contraction(text); end > 0 {
			return end
		}
	}
	if c == letter {
		return run(text, n, letter)
	}
	next, nextLen := other, 0
	if n < len(text) {
		next, nextLen = at(text, n)
	}
	if nextLen > 0 && next == letter && c != newline && c != number {
		return run(text, n+nextLen, letter)
	}
	switch {
	case c == number:
		return numbers(text, digits)
	case c == other:
		return run(text, run(text, n, other), newline)
	case text[0] == ' ' && nextLen > 0 && next == other:
		return run(text, run(text, n+nextLen, other), newline)
	}
	return blanks(text)
}

// contraction returns the length of 's, 't, 're, 've, 'm, 'll or 'd at the
// start of text, in either case, or 0. The long s folds to s.
func contraction(text []byte) int {
	lower := func(i int) byte {
		if i < len(text) {
			return text[i] | 0x20
		}
		return 0
	}
	switch lower(1) {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if lower(2) == 'e' {
			return 3
		}
	case 'l':
		if lower(2) == 'l' {
			return 3
		}
	}
	if len(text) >= 3 && text[1] == 0xc5 && text[2] == 0xbf { // U+017F
		return 3
	}
	return 0
}

// numbers returns the length of the first numbers, at most so many.
func numbers(text []byte, most int) int {
	end := 0
	for range most {
		if end == len(text) {
			break
		}
		c, n := at(text, end)
		if c != number {
			break
		}
		end += n
	}
	return end
}

// blanks returns the length of the first word of text that starts with white
// space: up to the last line break of the white space; without one, all of it
// if nothing follows, else all but its last character, if any is left then.
func blanks(text []byte) int {
	end, lastBreak, last := 0, 0, 0
	for end < len(text) {
		c, n := at(text, end)
		if c != space && c != newline {
			break
		}
		last = end
		end += n
		if c == newline {
			lastBreak = end
		}
	}
	switch {
	case lastBreak > 0:
		return lastBreak
	case end == len(text) || last == 0:
		return end
	}
	return last
}
