package browsertest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// shoot takes pictures for the documents into CRESCENDO_PICTURES, if it is
// set.
func shoot(t *testing.T, b *chromium) {
	folder := os.Getenv("CRESCENDO_PICTURES")
	if folder == "" {
		t.Skip("CRESCENDO_PICTURES is not set")
	}
	for name, s := range map[string]struct {
		path string
		look look
	}{
		"hub-front.png":      {"/", look{width: 1400, height: 1050}},
		"hub-front-dark.png": {"/", look{width: 1400, height: 1050, dark: true}},
		"hub-rung.png":       {"/rung/1", look{width: 1400, height: 1050}},
		"hub-phone.png":      {"/", look{width: 390, height: 844, dark: true, scale: 1.5}},
		"hub-research.png":   {"/research", look{width: 1400, height: 1050}},
	} {
		p := b.open(t, s.look)
		p.visit(s.path)
		ctx, cancel := context.WithTimeout(p.ctx, patience)
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		cancel()
		if err != nil {
			t.Fatalf("take a picture of %s: %v", s.path, err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
