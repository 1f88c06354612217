package up_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/node"
	"github.com/crescendo-network/crescendo/node/home"
	"github.com/crescendo-network/crescendo/node/up"
	"github.com/crescendo-network/crescendo/role/actor"
)

// served is a programme whose first rung is being served by real processes, and
// a client of its own.
type served struct {
	t      *testing.T
	bin    string
	seed   uint64
	home   home.Home
	log    *bytes.Buffer // what `up` told; not to be read while it runs
	conn   *node.Connection
	client ledger.Signer
	proxy  *exec.Cmd
	url    string // of the proxy
}

// serve plays the smoke programme until rung 1 is served and the demo client
// has got what it wanted, and gives the client a proxy that pays the escrow
// into each session. It takes a minute, so it is skipped where
// CRESCENDO_BIN does not name the directory of the three programs.
func serve(t *testing.T, escrow string) *served {
	t.Helper()
	s := &served{t: t, bin: os.Getenv("CRESCENDO_BIN"), log: &bytes.Buffer{}}
	if s.bin == "" {
		t.Skip("CRESCENDO_BIN is not set")
	}
	var err error
	if s.seed, err = strconv.ParseUint(os.Getenv("CRESCENDO_SEED"), 10, 64); err != nil {
		s.seed = uint64(time.Now().Unix()) % 1000
	}
	t.Logf("seed %d; repeat with CRESCENDO_SEED=%d", s.seed, s.seed)
	s.home, err = home.Open(t.TempDir())
	s.must(err)
	cmd := exec.Command(filepath.Join(s.bin, "crescendo"), "up", "--program", "../../programs/smoke.yaml", "--rungs", "1",
		"--seed", fmt.Sprint(s.seed), "--home", s.home.Dir)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	s.must(cmd.Start())
	s.stopAfterwards("up", cmd)
	s.until("run.json is there", func() bool {
		archive, err := node.ArchiveOf(s.home)
		if err != nil {
			return false
		}
		s.conn, err = node.Connect(t.Context(), archive)
		return err == nil
	})
	s.until("rung 1 is served", func() bool {
		state, err := s.conn.Ledger.State(t.Context())
		if err != nil {
			return false
		}
		done, err := actor.Served(state, 1, 1)
		return err == nil && done
	})
	s.startProxy(escrow)
	return s
}

func (s *served) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// stopAfterwards interrupts a process when the test ends, and shows what it
// printed if the test has failed.
func (s *served) stopAfterwards(name string, cmd *exec.Cmd) {
	s.t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(patience):
			s.t.Errorf("%s does not stop", name)
			cmd.Process.Kill()
			<-ended
		}
		if out, ok := cmd.Stderr.(*bytes.Buffer); ok && s.t.Failed() {
			s.t.Logf("%s said:\n%s", name, out.Bytes()[max(0, out.Len()-4000):])
		}
	})
}

// patience only ends what would never end: machines differ, and may be busy.
const patience = 15 * time.Minute

func (s *served) until(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("waited %v for: %s", patience, what)
		}
	}
}

// startProxy runs the proxy of a new client, whom a funder has given money. Its
// home is elsewhere: what stands there is the client's own business.
func (s *served) startProxy(escrow string) {
	s.t.Helper()
	dir := s.t.TempDir()
	key := filepath.Join(dir, "client.key")
	funder, err := node.LoadKey(s.home.Key("funder-1"))
	s.must(err)
	s.client, err = node.NewKey(key)
	s.must(err)
	_, err = s.conn.Ledger.Submit(s.t.Context(), funder, wire.Send("udemo", funder.Account(), s.client.Account(), 8_000_000_000))
	s.must(err)
	ready := filepath.Join(dir, "ready")
	s.proxy = exec.Command(filepath.Join(s.bin, "crescendo"), "inference", "proxy", s.conn.Archive, "--key", key, "--home", dir,
		"--rung", "1", "--escrow", escrow, "--ready-file", ready)
	s.proxy.Stderr = &bytes.Buffer{}
	s.must(s.proxy.Start())
	s.stopAfterwards("proxy", s.proxy)
	s.until("the proxy is ready", func() bool {
		data, err := os.ReadFile(ready)
		s.url = strings.TrimSpace(string(data))
		return err == nil && s.url != ""
	})
}

// pid returns the process in run.json that has the role; zero: there is none.
func (s *served) pid(role string) int {
	var run up.RunFile
	if s.home.ReadJSON("run.json", &run) == nil {
		for _, p := range run.Processes {
			if p.Role == role && syscall.Kill(p.PID, 0) == nil {
				return p.PID
			}
		}
	}
	return 0
}

// state is a recent state of the ledger.
func (s *served) state() ledger.State {
	s.t.Helper()
	var state ledger.State
	s.until("the ledger answers", func() (ok bool) {
		var err error
		state, err = s.conn.Ledger.State(s.t.Context())
		return err == nil
	})
	return state
}

// answer is what came back of one request.
type answer struct {
	text   string
	tokens uint64 // completion tokens, if it is whole
	parts  int
	whole  bool
}

// ask streams a completion, greedy if the seed is zero. An error means that it
// was interrupted.
func (s *served) ask(ctx context.Context, prompt string, limit int, seed uint64) (answer, error) {
	var a answer
	body, err := json.Marshal(map[string]any{"model": "rung-1", "prompt": prompt, "max_tokens": limit, "temperature": min(seed, 1), "seed": seed,
		"stream": true, "stream_options": map[string]any{"include_usage": true}})
	if err != nil {
		return a, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/completions", bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return a, fmt.Errorf("status %d: %s", resp.StatusCode, said)
	}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		data, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found {
			continue
		}
		if data == "[DONE]" {
			a.whole = true
			return a, nil
		}
		var event struct {
			Choices []struct{ Text string }
			Usage   *struct {
				Tokens uint64 `json:"completion_tokens"`
			}
			Error *struct{ Message string }
		}
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			return a, fmt.Errorf("event %q: %w", data, err)
		}
		if event.Error != nil {
			return a, errors.New(event.Error.Message)
		}
		for _, c := range event.Choices {
			a.text += c.Text
			a.parts++
		}
		if event.Usage != nil {
			a.tokens = event.Usage.Tokens
		}
	}
	return a, errors.New("the stream ends early")
}

// bill is what the client's sessions have come to.
type bill struct {
	sessions, open   int
	requests, output uint64
	settled          crescendo.Amount
}

func (s *served) bill(r kv.Reader) bill {
	s.t.Helper()
	var b bill
	mine, err := inference.ByClient.List(r, nil, kv.MaxPage, string(s.client.Account()))
	s.must(err)
	for _, e := range mine {
		if len(e.Rest) != 8 {
			continue
		}
		id := uint64(0)
		for _, c := range e.Rest {
			id = id<<8 | uint64(c)
		}
		session, err := inference.Sessions.Get(r, id)
		s.must(err)
		b.sessions++
		b.requests += session.Requests
		b.output += session.Output
		b.settled += session.Settled
		if !session.Closed {
			b.open++
		}
	}
	return b
}
