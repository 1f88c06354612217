package control_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/node/control"
	"github.com/crescendo-network/crescendo/role/hub/desk"
)

type machine struct{}

func (machine) Press(_ context.Context, button string) (desk.Pressed, error) {
	switch button {
	case "works":
		return desk.Pressed{Done: "done", Watch: "/network"}, nil
	case "refuses":
		return desk.Pressed{}, crescendo.Errorf(crescendo.CodeWrongTime, "not now").WithHint("later")
	}
	return desk.Pressed{}, errors.New("secret detail")
}

func TestButtonsThroughTheSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "c") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, control.Socket)
	c := control.Dial(path)
	if _, err := c.Press(t.Context(), "works"); crescendo.CodeOf(err) != crescendo.CodeWrongTime {
		t.Errorf("without anybody there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- control.Serve(ctx, path, machine{}, slog.New(slog.DiscardHandler)) }()
	var done desk.Pressed
	for {
		if done, err = c.Press(ctx, "works"); err == nil {
			break
		}
		select {
		case err := <-served:
			t.Fatal(err)
		default:
		}
	}
	if done != (desk.Pressed{Done: "done", Watch: "/network"}) {
		t.Errorf("%+v", done)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info.Mode(), err)
	}
	var e *crescendo.Error
	if _, err := c.Press(ctx, "refuses"); !errors.As(err, &e) || *e != (crescendo.Error{Code: crescendo.CodeWrongTime, Text: "not now", Hint: "later"}) {
		t.Errorf("refusal: %v", err)
	}
	if _, err := c.Press(ctx, "breaks"); !errors.As(err, &e) || e.Code != crescendo.CodeInternal || e.Text == "secret detail" {
		t.Errorf("failure: %v", err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
