package tokenizer

import "bytes"

// The patterns by which known tokenizers cut text into words. Go's regexp has
// no lookahead, and a stranger's pattern could take any time: each is matched by
// hand, and others are refused.
const (
	patternGPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	patternQwen = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// scanners give the length of the first word of a text that is not empty.
var scanners = map[string]func([]byte) int{
	patternGPT2: nextGPT2,
	patternQwen: func(text []byte) int { return nextLlama(text, 1) },
	Pattern:     nextWord,
}

// nextGPT2 follows the alternatives of patternGPT2, in their order.
func nextGPT2(text []byte) int {
	if text[0] == '\'' {
		for _, s := range []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
			if bytes.HasPrefix(text, []byte(s)) {
				return len(s)
			}
		}
	}
	from := 0
	if text[0] == ' ' && len(text) > 1 {
		from = 1
	}
	if c, n := at(text, from); c == letter || c == number || c == other {
		return run(text, from+n, c)
	}
	end, last := 0, 0
	for end < len(text) {
		c, n := at(text, end)
		if c != space && c != newline {
			break
		}
		last, end = end, end+n
	}
	if end < len(text) && last > 0 {
		return last
	}
	return end
}

// nextSection returns the length of the text up to the next number, or of the
// number that it begins with: the pieces into which tokenizers with single
// digits cut before anything else.
func nextSection(text []byte) int {
	end := 0
	for end < len(text) {
		c, n := at(text, end)
		if c == number {
			if end == 0 {
				return n
			}
			break
		}
		end += n
	}
	return end
}

// nextBlank returns the length of the text up to the next run of blanks.
func nextBlank(text []byte) int {
	for i := 1; i < len(text); i++ {
		if text[i] == ' ' && text[i-1] != ' ' {
			return i
		}
	}
	return len(text)
}
