package static

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// luminance is WCAG's relative luminance of a colour.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(colour, 16, 32)
	if err != nil || len(colour) != 6 {
		t.Fatalf("colour %q", colour)
	}
	linear := func(c uint64) float64 {
		x := float64(c&0xff) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n)
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Colours of text and of pictures stand out from what lies below them, by day
// and by night: WCAG 1.4.3 and 1.4.11. Machines that judge pages do not see
// into pictures.
func TestContrast(t *testing.T) {
	css, err := files.ReadFile("hub.css")
	if err != nil {
		t.Fatal(err)
	}
	day, night, ok := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("the style sheet knows no night")
	}
	tokens := regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6})`)
	text := []string{"ink", "soft", "faint", "accent", "warm", "bad", "good"}
	pictures := []string{"gold", "blue", "plum", "stone", "leaf"}
	for scheme, part := range map[string]string{"day": day, "night": night} {
		c := map[string]string{}
		for _, m := range tokens.FindAllStringSubmatch(part, -1) {
			c[m[1]] = m[2]
		}
		for want, names := range map[float64][]string{4.5: text, 3: pictures} {
			for _, name := range names {
				for _, below := range []string{"paper", "sheet"} {
					if got := contrast(t, c[name], c[below]); got < want {
						t.Errorf("by %s, %s on %s has a contrast of %.2f, want %.1f", scheme, name, below, got, want)
					}
				}
			}
		}
	}
	for _, m := range regexp.MustCompile(`[^-]text \{[^}]*fill: var\(--([a-z]+)\)`).FindAllStringSubmatch(string(css), -1) {
		known := false
		for _, name := range text {
			known = known || name == m[1]
		}
		if !known {
			t.Errorf("text in a picture has the colour %s, which is too faint for text: %s", m[1], m[0])
		}
	}
}
