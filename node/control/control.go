// Package control carries the development buttons of a hub to the process that
// plays the programme on this machine, and tells the hub which processes that
// is made of: HTTP over a socket in the run's home, which only its owner can
// reach.
//
// It knows no buttons of its own, and it is not how seats are run: without it
// nothing is missing but the means to break things on purpose.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/role/hub/desk"
	"github.com/crescendo-network/crescendo/role/hub/nodes"
)

// Socket is the name of the socket in a home.
const Socket = "control.sock"

// Bounds on a button's work and on what it says.
const (
	pressTime = 20 * time.Second
	maxAnswer = 16 << 10
)

// maxProcesses bounds what is told of a run.
const (
	maxProcesses = 512
	maxList      = 1 << 20
)

// Lister tells the processes of a run. A desk.Machine may be one.
type Lister interface {
	Processes() []nodes.Process
}

// refusal is an error on its way.
type refusal struct {
	Code crescendo.Code `json:"code"`
	Text string         `json:"text"`
	Hint string         `json:"hint"`
}

// Serve presses buttons for whoever may open the socket, one at a time, until
// ctx ends.
func Serve(ctx context.Context, path string, press desk.Machine, log *slog.Logger) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clear old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("listen for buttons: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return fmt.Errorf("close socket to others: %w", err)
	}
	one := make(chan struct{}, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /press/{button}", func(w http.ResponseWriter, r *http.Request) {
		select {
		case one <- struct{}{}:
			defer func() { <-one }()
		case <-r.Context().Done():
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), pressTime)
		defer cancel()
		done, err := press.Press(ctx, r.PathValue("button"))
		if err == nil {
			answer(w, http.StatusOK, done)
			return
		}
		log.Info("button does nothing", "button", r.PathValue("button"), "error", err)
		var e *crescendo.Error
		if !errors.As(err, &e) {
			e = crescendo.Errorf(crescendo.CodeInternal, "press %s: the log of `up` says why it failed", r.PathValue("button"))
		}
		answer(w, http.StatusConflict, refusal{e.Code, e.Text, e.Hint})
	})
	mux.HandleFunc("GET /processes", func(w http.ResponseWriter, _ *http.Request) {
		all := []nodes.Process{}
		if l, ok := press.(Lister); ok {
			all = append(all, l.Processes()...)
		}
		answer(w, http.StatusOK, all[:min(len(all), maxProcesses)])
	})
	server := &http.Server{Handler: mux, ReadTimeout: pressTime, WriteTimeout: 2 * pressTime, MaxHeaderBytes: maxAnswer,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve buttons: %w", err)
	}
	return nil
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // who has gone needs no answer
}

// Client presses buttons through a socket. It is a desk.Machine.
type Client struct{ http *http.Client }

// Dial returns a client for the socket at path; whether anybody answers there
// shows when a button is pressed.
func Dial(path string) *Client {
	return &Client{&http.Client{Timeout: 2 * pressTime, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}}
}

// Press implements desk.Machine.
func (c *Client) Press(ctx context.Context, button string) (desk.Pressed, error) {
	var done desk.Pressed
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://up/press/"+button, nil)
	if err != nil {
		return done, fmt.Errorf("press %s: %w", button, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return done, crescendo.Errorf(crescendo.CodeWrongTime, "press %s: nothing answers", button).
			WithHint("the buttons work while `crescendo up` runs in the hub's home")
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode == http.StatusOK {
		if err := dec.Decode(&done); err != nil {
			return done, fmt.Errorf("press %s: %w", button, err)
		}
		return done, nil
	}
	var no refusal
	if err := dec.Decode(&no); err != nil || no.Code == "" {
		return done, fmt.Errorf("press %s: it was answered with %s", button, resp.Status)
	}
	return done, &crescendo.Error{Code: no.Code, Text: no.Text, Hint: no.Hint}
}

// Processes asks which processes the run has. It is an error if nobody answers.
func (c *Client) Processes(ctx context.Context) ([]nodes.Process, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://up/processes", nil)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer resp.Body.Close()
	var all []nodes.Process
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("list processes: it was answered with %s", resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxList)).Decode(&all); err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	return all[:min(len(all), maxProcesses)], nil
}
