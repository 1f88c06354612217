package tokenizer

import "slices"

// Control returns the name of a token that no text encodes to, such as
// "<|endoftext|>"; empty for a token with text and for an unknown one.
func (t *Tokenizer) Control(id int32) string {
	if t.foreign != nil {
		return t.foreign.names[id]
	}
	if id < 0 || int(id) >= len(t.tokens) {
		return ""
	}
	if name, added := t.name(id); added {
		return name
	}
	return ""
}

// ControlID returns the token that Control calls by this name. It is for those
// who mean the token: a name that stands in a text is text.
func (t *Tokenizer) ControlID(name string) (int32, bool) {
	if t.foreign != nil {
		id, ok := t.foreign.ids[name]
		return id, ok
	}
	if i := slices.Index(controlNames[:], name); i >= 0 {
		return int32(i), true
	}
	for id := t.used; id < len(t.tokens); id++ {
		if reservedName(id-t.used) == name {
			return int32(id), true
		}
	}
	return 0, false
}
