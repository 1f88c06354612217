package browsertest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// programme is a run of `crescendo up` with its hub.
type programme struct {
	t    *testing.T
	bin  string
	home string
	hub  string // address of its hub
	up   *child
}

// process is an entry of run.json.
type process struct {
	Role    string
	Name    string
	PID     int
	Address string
}

// play starts testdata/browser.yaml. It is skipped where CRESCENDO_BIN does
// not name the folder of the three programs.
func play(t *testing.T) *programme {
	t.Helper()
	p := &programme{t: t, bin: os.Getenv("CRESCENDO_BIN"), home: t.TempDir()}
	if p.bin == "" {
		t.Skip("CRESCENDO_BIN is not set: make browser-test")
	}
	requireChromium(t)
	seed, err := strconv.ParseUint(os.Getenv("CRESCENDO_SEED"), 10, 64)
	if err != nil {
		seed = 1
	}
	t.Logf("repeat with CRESCENDO_SEED=%d", seed)
	t.Cleanup(p.showLogs)
	p.up = start(t, filepath.Join(p.bin, "crescendo"), "up", "--program", "testdata/browser.yaml", "--rungs", "1",
		"--seed", fmt.Sprint(seed), "--home", p.home, "--hub-port", "0")
	p.until("the hub answers", func() bool {
		i := slices.IndexFunc(p.processes(), func(e process) bool { return e.Role == "hub" })
		if i < 0 {
			return false
		}
		p.hub = p.processes()[i].Address
		return executed(p.hub, 0)
	})
	return p
}

// showLogs shows the end of the hub's log if the test has failed: after the run
// has ended, before its home is removed.
func (p *programme) showLogs() {
	if data, err := os.ReadFile(filepath.Join(p.home, "logs", "hub.log")); err == nil && p.t.Failed() {
		p.t.Logf("the hub's log:\n%s", data[max(0, len(data)-4000):])
	}
}

// processes reads run.json; it has none while nothing runs.
func (p *programme) processes() []process {
	var run struct{ Processes []process }
	data, err := os.ReadFile(filepath.Join(p.home, "run.json"))
	if err != nil || json.Unmarshal(data, &run) != nil {
		return nil
	}
	return run.Processes
}

// pid is the number of a process that runs, by its name; zero: it does not.
func (p *programme) pid(name string) int {
	for _, e := range p.processes() {
		if e.Name == name && e.PID > 0 && syscall.Kill(e.PID, 0) == nil {
			return e.PID
		}
	}
	return 0
}

func (p *programme) until(what string, ok func() bool) {
	p.t.Helper()
	for limit := time.Now().Add(patience); !ok(); time.Sleep(200 * time.Millisecond) {
		if p.up.gone() || time.Now().After(limit) {
			p.t.Fatalf("waited up to %v for: %s; `crescendo up` has ended: %v", patience, what, p.up.gone())
		}
	}
}

// mirror serves the run's pages by another process, with its read model in
// home, once it has executed all blocks.
func (p *programme) mirror(t *testing.T, home, listen string) (hub string, stop func()) {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	c := start(t, filepath.Join(p.bin, "crescendo"), "hub", "serve", p.home, "--home", home, "--listen", listen, "--ready-file", ready)
	for limit := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		data, err := os.ReadFile(ready)
		hub = strings.TrimSpace(string(data))
		if err == nil && hub != "" && executed(hub, 1) {
			return hub, c.stop
		}
		if c.gone() || time.Now().After(limit) {
			t.Fatalf("the hub with its home in %s does not catch up", home)
		}
	}
}

// executed reports whether a hub has executed all blocks there are but so many:
// the last block of a chain that has ended is not complete.
func executed(hub string, but int64) bool {
	resp, err := http.Get(hub + "/healthz")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var h struct{ Height, Newest int64 }
	return json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&h) == nil && h.Height > 0 && h.Height >= h.Newest-but
}

// freeAddress is an address nobody listens on, for hubs that follow each
// other.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
