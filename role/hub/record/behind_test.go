package record_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/role/hub/hubtest"
	"github.com/crescendo-network/crescendo/role/hub/record"
)

// slow is a source that says how many blocks it has and is slow to give them.
type slow struct{ head crescendo.Height }

func (s slow) Head(context.Context) (crescendo.Height, error) { return s.head, nil }

func (s slow) Block(ctx context.Context, _ crescendo.Height) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// While blocks are fetched and executed, the model already knows that they
// exist: it never looks as if it had all there is.
func TestMissingBlocksAreKnownFirst(t *testing.T) {
	s, err := hubtest.NewStory()
	if err != nil {
		t.Fatal(err)
	}
	m, err := record.NewModel(t.Context(), filepath.Join(t.TempDir(), "hub.db"), s.Genesis, s.Rules)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- m.Follow(ctx, slow{500}, slog.New(slog.DiscardHandler)) }()
	for target := crescendo.Height(0); target != 500; {
		m.Read(func(n record.Now) error { target = n.Target; return nil })
		if ctx.Err() != nil {
			t.Fatalf("500 blocks exist, and the model knows of %d", target)
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	<-done
}
