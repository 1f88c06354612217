package up

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/crescendo-network/crescendo/node/machine"
	"github.com/crescendo-network/crescendo/node/supervise"
	"github.com/crescendo-network/crescendo/role/archive"
)

// RunFile is run.json: what runs here, and how to take part.
type RunFile struct {
	archive.Programme
	Archive   string            `json:"archive"`
	Processes []supervise.Entry `json:"processes"`
}

// changed rewrites run.json.
func (u *run) changed(entries []supervise.Entry) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.entries = entries
	u.writeRunFile()
}

// writeRunFile needs mu.
func (u *run) writeRunFile() {
	u.listed = u.vaults()
	me := supervise.Entry{Role: "up", Name: "up", PID: os.Getpid()}
	err := u.Home.WriteJSON("run.json", RunFile{
		Programme: u.programme(),
		Archive:   u.launcher.url(u.launcher.ports.archive),
		Processes: append(append([]supervise.Entry{me}, u.entries...), u.listed...),
	})
	if err != nil {
		u.log.Warn("write run.json", "error", err)
	}
}

// sayNothingRuns leaves a run.json that sends nobody to a port that somebody
// else may have by then.
func (u *run) sayNothingRuns() {
	u.mu.Lock()
	defer u.mu.Unlock()
	p := u.programme()
	p.LedgerRPC, p.LedgerGRPC, p.LedgerREST, p.Blobs, p.Relay = "", "", "", "", ""
	if err := u.Home.WriteJSON("run.json", RunFile{Programme: p, Processes: []supervise.Entry{}}); err != nil {
		u.log.Warn("write run.json", "error", err)
	}
}

// vaults lists the processes that relays run: each writes its vault's number
// beside its own files. A number that is not a child of the relay is an old
// one, which another process may have by now. It needs mu.
func (u *run) vaults() []supervise.Entry {
	data, err := os.ReadFile(u.Home.Path("seats", u.cast.Operator.Name, "vault.pid"))
	if err != nil {
		return nil
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 0 {
		return nil
	}
	parent := machine.Parent(pid)
	for _, e := range u.entries {
		if e.Role == "relay" && e.PID == parent {
			return []supervise.Entry{{Role: "vault", Name: "vault", PID: pid}}
		}
	}
	return nil
}

// noticeVaults rewrites run.json when a vault has come or gone; relays start
// vaults, so the supervisor does not hear of it.
func (u *run) noticeVaults() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if now := u.vaults(); !slices.Equal(now, u.listed) {
		u.writeRunFile()
	}
}

// programme is the discovery document as far as this process knows it.
func (u *run) programme() archive.Programme {
	return archive.Programme{
		ChainID: u.net.ChainID, LedgerRPC: u.launcher.url(u.launcher.ports.ledger),
		LedgerGRPC: u.launcher.ports.grpc, LedgerREST: u.launcher.url(u.launcher.ports.rest),
		Blobs: u.launcher.url(u.launcher.ports.archive) + "/v1/blobs", Relay: u.launcher.url(u.launcher.ports.relay),
		GenesisHash: u.anchor.Genesis, Trust: u.anchor.Trust,
	}
}

// anchor is what the ledger says of its own beginning when it is ready.
type anchor struct {
	Genesis string        `json:"genesis_hash"`
	Trust   archive.Trust `json:"trust"`
}

func readAnchor(path string) (a anchor, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(data, &a)
}
