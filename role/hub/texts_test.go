package hub

import (
	"context"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
)

// A corpus that cannot be read is not asked for with every page, which would
// be rendered again for it, and ask again.
func TestUnreadableTextIsLeftAlone(t *testing.T) {
	texts := newTexts()
	manifest := crescendo.Hash{1}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	learned := make(chan error)
	go texts.run(ctx, blob.NewMemory(), func(_ crescendo.Hash, err error) { learned <- err })
	texts.of(manifest)
	if err := <-learned; err == nil {
		t.Fatal("a corpus that is not there was read")
	}
	texts.mu.Lock()
	_, waits := texts.known[manifest]
	texts.mu.Unlock()
	if !waits {
		t.Error("the next page asks for it again at once")
	}
	if x := texts.of(manifest); x.BytesPerToken != 0 || len(texts.asked) != 0 {
		t.Errorf("%+v is known of it, %d wait to be read", x, len(texts.asked))
	}
	texts.forget(manifest) // as time does
	texts.of(manifest)
	if err := <-learned; err == nil {
		t.Fatal("a corpus that is not there was read")
	}
}
