package nodes

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crescendo-network/crescendo/role/archive"
)

// services asks everybody the discovery document names.
func (w *Watch) services(ctx context.Context) (all []Node, peers []Peer, said bool) {
	at := Node{Kind: "archive", State: Unknown}
	rpc, relay, vault := Node{Kind: "ledger", State: Unknown}, Node{Kind: "relay", State: Unknown}, Node{Kind: "vault", State: Unknown}
	if w.c.Archive == "" {
		at.Problem, at.Remedy = "no archive is followed over the network", "none is needed: the hub reads a run's directory"
		return []Node{at, rpc, relay, vault}, nil, false
	}
	var p archive.Programme
	var health struct {
		Blocks int64 `json:"blocks"`
	}
	base := strings.TrimRight(w.c.Archive, "/")
	if at.Micros = w.get(ctx, base+"/v1/programme", &p); at.Micros == 0 {
		at.State, at.Problem, at.Remedy = Silent, "its archive does not answer", "does `crescendo archive` still run there? The hub goes on with what it has, and asks again"
		return []Node{at, rpc, relay, vault}, nil, false
	}
	at.State = Answers
	if w.get(ctx, base+"/v1/healthz", &health) > 0 {
		at.Detail = fmt.Sprintf("%d blocks archived", health.Blocks)
	}
	if p.LedgerRPC != "" {
		var height int64
		rpc, height = w.ledger(ctx, p.LedgerRPC)
		peers, said = w.peers(ctx, p.LedgerRPC)
		if behind := height - health.Blocks; height > 0 && health.Blocks > 0 && behind > maxBehind {
			at.Problem, at.Remedy = fmt.Sprintf("it has not archived the last %d blocks", behind), "has its disk room? Its log says what keeps it; the hub is as far behind as it is"
		}
	}
	if p.Relay != "" {
		relay, vault = w.relay(ctx, p.Relay)
	}
	return []Node{at, rpc, relay, vault}, peers, said
}

// maxBehind is how many blocks an archive may be behind its ledger.
const maxBehind = 40

// ledger asks CometBFT's RPC for its state.
func (w *Watch) ledger(ctx context.Context, base string) (Node, int64) {
	n := Node{Kind: "ledger", State: Silent, Problem: "the ledger's node does not answer",
		Remedy: "does `crescendo-ledger` still run there? Until then pages can be read and nobody can act"}
	var status struct {
		Result struct {
			Node struct {
				Version string `json:"version"`
				Moniker string `json:"moniker"`
			} `json:"node_info"`
			Sync struct {
				Height     string `json:"latest_block_height"`
				CatchingUp bool   `json:"catching_up"`
			} `json:"sync_info"`
		} `json:"result"`
	}
	base = strings.TrimRight(base, "/")
	if n.Micros = w.get(ctx, base+"/status", &status); n.Micros == 0 {
		return n, 0
	}
	height, _ := strconv.ParseInt(status.Result.Sync.Height, 10, 64)
	n.State, n.Problem, n.Remedy = Answers, "", ""
	n.Detail = fmt.Sprintf("%q at block %d", clip(status.Result.Node.Moniker, maxText), height)
	if v := status.Result.Node.Version; v != "" {
		n.Version = "CometBFT " + clip(v, maxText)
	}
	var info struct {
		Result struct {
			Response struct {
				Version string `json:"version"`
				Data    string `json:"data"`
			} `json:"response"`
		} `json:"result"`
	}
	if w.get(ctx, base+"/abci_info", &info) > 0 && info.Result.Response.Version != "" {
		n.Version = clip(info.Result.Response.Data+" "+info.Result.Response.Version, maxText) + ", " + n.Version
	}
	if status.Result.Sync.CatchingUp {
		n.Problem, n.Remedy = "the ledger's node is catching up", "wait, or point the archive to another node"
	}
	return n, height
}

// peers asks CometBFT's RPC whom it is connected to. They are strangers: their
// own addresses are not asked.
func (w *Watch) peers(ctx context.Context, base string) ([]Peer, bool) {
	var info struct {
		Result struct {
			Peers []struct {
				Node struct {
					ID      string `json:"id"`
					Moniker string `json:"moniker"`
					Version string `json:"version"`
				} `json:"node_info"`
				Connection struct {
					Duration json.RawMessage `json:"Duration"` // nanoseconds, as a string
				} `json:"connection_status"`
			} `json:"peers"`
		} `json:"result"`
	}
	if w.get(ctx, strings.TrimRight(base, "/")+"/net_info", &info) == 0 {
		return nil, false
	}
	var out []Peer
	for _, p := range info.Result.Peers[:min(len(info.Result.Peers), maxPeers)] {
		nanos, _ := strconv.ParseInt(strings.Trim(string(p.Connection.Duration), `"`), 10, 64)
		out = append(out, Peer{ID: clip(p.Node.ID, 12), Name: clip(p.Node.Moniker, maxText), Version: clip(p.Node.Version, maxText), Millis: max(0, nanos/1e6)})
	}
	return out, true
}

// relay asks a relay for itself and for its vault.
func (w *Watch) relay(ctx context.Context, base string) (relay, vault Node) {
	relay = Node{Kind: "relay", State: Silent, Problem: "the relay does not answer", Remedy: "does `crescendo sealing relay` still run there? Without it nobody can ask a sealed model"}
	vault = Node{Kind: "vault", State: Unknown}
	base = strings.TrimRight(base, "/")
	if relay.Micros = w.get(ctx, base+"/v1/healthz", nil); relay.Micros == 0 {
		return relay, vault
	}
	relay.State, relay.Problem, relay.Remedy = Answers, "", ""
	var said struct {
		Vault    string   `json:"vault"`
		Accepted bool     `json:"accepted"`
		Refused  string   `json:"refused"`
		Serving  []uint32 `json:"serving"`
		Measures []struct {
			Name string `json:"name"`
			Held bool   `json:"held"`
		} `json:"measures"`
	}
	if vault.Micros = w.get(ctx, base+"/v1/vault", &said); vault.Micros == 0 {
		vault.State, vault.Problem, vault.Remedy = Silent, "the relay says nothing of a vault", "see the relay's log: it starts the vault"
		return relay, vault
	}
	vault.State, vault.Detail = Answers, "vault "+clip(said.Vault, 8)
	var missing []string
	for _, m := range said.Measures[:min(len(said.Measures), MaxSamples)] {
		if !m.Held {
			missing = append(missing, clip(m.Name, maxText))
		}
	}
	switch {
	case said.Refused != "":
		vault.Problem, vault.Remedy = "the ledger does not accept the vault: "+clip(said.Refused, 2*maxText), "see the relay's log; a new measurement needs a new policy"
	case !said.Accepted:
		vault.Detail += ", not accepted yet"
	case len(said.Serving) > 0:
		vault.Detail += fmt.Sprintf(", serves rungs %v", said.Serving[:min(len(said.Serving), MaxSamples)])
	default:
		vault.Detail += ", accepted, serves nothing yet"
	}
	if len(missing) > 0 {
		vault.Detail += "; not held on this machine: " + strings.Join(missing, ", ")
	}
	return relay, vault
}

// get asks for a JSON document and returns how long the answer took, in
// microseconds; zero if there was none. Without a place for it any answer will
// do.
func (w *Watch) get(ctx context.Context, address string, v any) int64 {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil || req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return 0
	}
	began := time.Now()
	resp, err := w.client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	took := max(1, time.Since(began).Microseconds())
	if err != nil || resp.StatusCode != http.StatusOK || v != nil && json.Unmarshal(data, v) != nil {
		return 0
	}
	return took
}

// clip shortens what strangers say, at the end of a character.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(strings.TrimSpace(s), "?")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// near reports whether an address is on this machine.
func near(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	host := u.Hostname()
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
