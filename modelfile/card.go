package modelfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// A Card is the README.md of a model: facts for machines in front, then text for
// people.
type Card struct {
	Name    string
	License string // SPDX identifier, or empty for "other"
	Tags    []string
	Facts   [][2]string // label and value, in this order
	Text    string      // Markdown
}

// Markdown renders the card.
func (c Card) Markdown() []byte {
	var b bytes.Buffer
	license := strings.ToLower(c.License)
	if license == "" || license == "noassertion" {
		license = "other"
	}
	fmt.Fprintf(&b, "---\nlicense: %s\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n", yamlString(license))
	for _, t := range append([]string{"llama"}, c.Tags...) {
		fmt.Fprintf(&b, "- %s\n", yamlString(t))
	}
	fmt.Fprintf(&b, "---\n\n# %s\n\n", oneLine(c.Name))
	if c.Text != "" {
		fmt.Fprintf(&b, "%s\n\n", strings.TrimSpace(c.Text))
	}
	if len(c.Facts) > 0 {
		b.WriteString("| | |\n|---|---|\n")
		for _, f := range c.Facts {
			fmt.Fprintf(&b, "| %s | %s |\n", cell(f[0]), cell(f[1]))
		}
	}
	return b.Bytes()
}

// yamlString quotes a string: JSON's strings are YAML's double-quoted ones.
func yamlString(s string) string {
	b, err := json.Marshal(strings.ToValidUTF8(s, "?"))
	if err != nil {
		return `""` // strings always marshal
	}
	return string(b)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func cell(s string) string { return strings.ReplaceAll(oneLine(s), "|", `\|`) }
