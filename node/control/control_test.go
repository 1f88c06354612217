package control_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/node/control"
	"github.com/crescendo-network/crescendo/role/hub/desk"
	"github.com/crescendo-network/crescendo/role/hub/nodes"
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

func (machine) Processes() []nodes.Process {
	return []nodes.Process{{Role: "trainer", Name: "trainer-1", PID: 7, Version: "build 1", Started: 5, Memory: 9}}
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
	if all, err := c.Processes(ctx); err != nil || !slices.Equal(all, machine{}.Processes()) {
		t.Errorf("processes: %+v, %v", all, err)
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
	if all, err := c.Processes(t.Context()); err == nil {
		t.Errorf("processes of nobody: %+v", all)
	}
}
