package tokenizer

import (
	"encoding/json"
	"fmt"
)

// step is a part of a tokenizer.json that does something to text or tokens; which
// fields count depends on the type.
type step struct {
	Type          string `json:"type"`
	Normalizers   []step `json:"normalizers"`
	PreTokenizers []step `json:"pretokenizers"`
	Processors    []step `json:"processors"`
	Decoders      []step `json:"decoders"`
	Pattern       struct {
		String *string `json:"String"`
		Regex  *string `json:"Regex"`
	} `json:"pattern"`
	Content        string  `json:"content"`
	Prepend        string  `json:"prepend"`
	Replacement    string  `json:"replacement"`
	Behavior       string  `json:"behavior"`
	Invert         bool    `json:"invert"`
	AddPrefixSpace *bool   `json:"add_prefix_space"` // true if left out
	UseRegex       *bool   `json:"use_regex"`        // true if left out
	Individual     bool    `json:"individual_digits"`
	PrependScheme  *string `json:"prepend_scheme"`
	Split          *bool   `json:"split"` // true if left out
	Start          int     `json:"start"`
	Stop           int     `json:"stop"`

	Single        []templatePiece `json:"single"`
	SpecialTokens map[string]struct {
		IDs []int32 `json:"ids"`
	} `json:"special_tokens"`
}

type templatePiece struct {
	Special *struct {
		ID string `json:"id"`
	} `json:"SpecialToken"`
	Sequence *struct {
		ID string `json:"id"`
	} `json:"Sequence"`
}

// flat returns the steps of a sequence, or the one that it is.
func (s *step) flat() []step {
	if s == nil {
		return nil
	}
	if s.Type != "Sequence" {
		return []step{*s}
	}
	for _, steps := range [][]step{s.Normalizers, s.PreTokenizers, s.Processors, s.Decoders} {
		if len(steps) > 0 {
			return steps
		}
	}
	return nil
}

func unread(what string, s step) error {
	b, err := json.Marshal(s.Pattern)
	if err != nil || s.Pattern.Regex == nil && s.Pattern.String == nil {
		return fmt.Errorf("%s %.40q with these settings is not read", what, s.Type)
	}
	return fmt.Errorf("%s %.40q with pattern %.300s is not read", what, s.Type, b)
}

func yes(b *bool) bool { return b == nil || *b }

// readSteps reads what happens to text before it is merged and after it is
// decoded, and thereby which of the two kinds it is.
func (o *foreign) readSteps(f *otherFile) error {
	if f.Model.ByteFallback {
		o.chars = map[rune]int32{}
	}
	if err := o.readNormalizer(f.Normalizer.flat()); err != nil {
		return err
	}
	if o.chars == nil {
		if err := o.readCuts(f.PreTokenizer.flat()); err != nil {
			return err
		}
		for _, s := range f.Decoder.flat() {
			if s.Type != "ByteLevel" {
				return unread("decoder", s)
			}
		}
		return nil
	}
	if err := o.readMetaspace(f.PreTokenizer.flat()); err != nil {
		return err
	}
	return o.readDecoder(f.Decoder.flat())
}

func (o *foreign) readNormalizer(steps []step) error {
	replaced := false
	for i, s := range steps {
		switch {
		case s.Type == "NFC" && o.chars == nil:
			o.nfc = true
		case s.Type == "Prepend" && o.chars != nil && i == 0 && s.Prepend == blank:
			o.prefix = prefixEach
		case s.Type == "Replace" && o.chars != nil && s.Pattern.String != nil && *s.Pattern.String == " " && s.Content == blank:
			replaced = true
		default:
			return unread("normalizer", s)
		}
	}
	if o.prefix == prefixEach && !replaced {
		return fmt.Errorf("its normalizer begins texts with a blank but leaves others as they are, which is not read")
	}
	return nil
}

// readCuts reads how a tokenizer of bytes cuts text into words: single digits
// perhaps, then one known pattern, then bytes as characters.
func (o *foreign) readCuts(steps []step) error {
	spelled := false
	for i, s := range steps {
		switch {
		case spelled:
			return unread("pre-tokenizer after ByteLevel", s)
		case s.Type == "Digits" && s.Individual && i == 0:
			o.digits = true
		case s.Type == "Split" && o.scan == nil && s.Pattern.Regex != nil && scanners[*s.Pattern.Regex] != nil &&
			(s.Behavior == "Isolated" && !s.Invert || s.Behavior == "Removed" && s.Invert):
			o.scan = scanners[*s.Pattern.Regex]
		case s.Type == "ByteLevel" && s.AddPrefixSpace != nil && !*s.AddPrefixSpace && !(yes(s.UseRegex) && o.scan != nil):
			if spelled = true; yes(s.UseRegex) {
				o.scan = nextGPT2
			}
		default:
			return unread("pre-tokenizer", s)
		}
	}
	if !spelled {
		return fmt.Errorf("it neither spells bytes (pre-tokenizer ByteLevel) nor falls back to them (byte_fallback): other tokenizers are not read")
	}
	if o.scan == nil {
		return fmt.Errorf("it does not cut text into words")
	}
	return nil
}

// readMetaspace reads how a tokenizer of characters begins texts.
func (o *foreign) readMetaspace(steps []step) error {
	for _, s := range steps {
		if s.Type != "Metaspace" || s.Replacement != blank || yes(s.Split) || len(steps) > 1 || o.prefix != prefixNever {
			return unread("pre-tokenizer", s)
		}
		scheme := "always"
		if !yes(s.AddPrefixSpace) {
			scheme = "never"
		}
		if s.PrependScheme != nil {
			scheme = *s.PrependScheme
		}
		switch scheme {
		case "always":
			o.prefix = prefixLacking
		case "first":
			o.prefix = prefixFirst
		case "never":
		default:
			return unread("pre-tokenizer", s)
		}
	}
	return nil
}

func (o *foreign) readDecoder(steps []step) error {
	blanks, fallback := false, false
	for _, s := range steps {
		switch {
		case s.Type == "Replace" && s.Pattern.String != nil && *s.Pattern.String == blank && s.Content == " ":
			blanks = true
		case s.Type == "Metaspace" && s.Replacement == blank:
			blanks = true
			o.strip = s.PrependScheme == nil && yes(s.AddPrefixSpace) || s.PrependScheme != nil && *s.PrependScheme != "never"
		case s.Type == "ByteFallback":
			fallback = true
		case s.Type == "Fuse":
		case s.Type == "Strip" && s.Content == " " && s.Start == 1 && s.Stop == 0:
			o.strip = true
		default:
			return unread("decoder", s)
		}
	}
	if !blanks || !fallback {
		return fmt.Errorf("its decoder does not give blanks and bytes back")
	}
	return nil
}

// readStart reads what is put before a text: control tokens, by a template.
func (o *foreign) readStart(p *step, vocab int) error {
	for _, s := range p.flat() {
		switch {
		case s.Type == "ByteLevel":
			continue
		case s.Type != "TemplateProcessing" || o.start != nil:
			return unread("post-processor", s)
		}
		over := false
		for _, piece := range s.Single {
			switch {
			case piece.Sequence != nil && piece.Sequence.ID == "A" && !over:
				over = true
			case piece.Special != nil && !over && len(o.start) < maxStart:
				ids := s.SpecialTokens[piece.Special.ID].IDs
				if len(ids) != 1 || ids[0] < 0 || int(ids[0]) >= vocab {
					return fmt.Errorf("post-processor: %.60q is tokens %.100s", piece.Special.ID, fmt.Sprint(ids))
				}
				o.start = append(o.start, ids[0])
			default:
				return fmt.Errorf("post-processor: only tokens before a text are read")
			}
		}
		if !over {
			return fmt.Errorf("post-processor: it leaves the text out")
		}
	}
	return nil
}
