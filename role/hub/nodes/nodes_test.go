package nodes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
)

// place is a machine on which every service of a programme answers as a test
// says.
type place struct {
	*httptest.Server
	says map[string]string // by path; missing: 404
}

func open(t *testing.T, changes map[string]string) *place {
	t.Helper()
	p := &place{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := p.says[r.URL.Path]
		switch {
		case !ok:
			http.NotFound(w, r)
		case strings.HasPrefix(text, "-> "):
			http.Redirect(w, r, text[3:], http.StatusFound)
		default:
			io.WriteString(w, text)
		}
	}))
	t.Cleanup(p.Close)
	p.says = map[string]string{
		"/v1/programme":        fmt.Sprintf(`{"chain_id":"x","ledger_rpc":%q,"blobs":"","relay":%q}`, p.URL+"/rpc", p.URL+"/relay/"),
		"/v1/healthz":          `{"status":"ok","blocks":118}`,
		"/rpc/status":          `{"result":{"node_info":{"version":"0.40.1","moniker":"node <b>one</b>"},"sync_info":{"latest_block_height":"120","catching_up":false}}}`,
		"/rpc/abci_info":       `{"result":{"response":{"data":"crescendo","version":"1"}}}`,
		"/rpc/net_info":        `{"result":{"n_peers":"1","peers":[{"node_info":{"id":"0123456789abcdef","moniker":"other","version":"0.40.0"},"connection_status":{"Duration":"61000000000"},"remote_ip":"192.0.2.1"}]}}`,
		"/relay/v1/healthz":    "ok\n",
		"/relay/v1/vault":      `{"vault":"abcdef0123456789","accepted":true,"serving":[1],"measures":[{"name":"landlock","held":true},{"name":"network namespace","held":false}]}`,
		"/elsewhere/v1/vault":  `{"vault":"00"}`,
		"/elsewhere/programme": `{}`,
	}
	for path, text := range changes {
		if text == "" {
			delete(p.says, path)
		} else {
			p.says[path] = strings.ReplaceAll(text, "HERE", p.URL)
		}
	}
	return p
}

// line is a service in short.
func line(n Node) string {
	s := n.Kind + " " + n.State
	if n.Version != "" {
		s += " [" + n.Version + "]"
	}
	if n.Detail != "" {
		s += ": " + n.Detail
	}
	if n.Problem != "" {
		s += " (" + n.Problem + ")"
	}
	return s
}

func TestServices(t *testing.T) {
	const ledger, relay = `ledger answers [crescendo 1, CometBFT 0.40.1]: "node <b>one</b>" at block 120`, "relay answers"
	const archive, vault = "archive answers: 118 blocks archived", "vault answers: vault abcdef01…, serves rungs [1]; not held on this machine: network namespace"
	for name, c := range map[string]struct {
		changes map[string]string
		want    []string
	}{
		"everybody answers": {nil, []string{archive, ledger, relay, vault}},
		"no archive":        {map[string]string{"/v1/programme": ""}, []string{"archive does not answer (its archive does not answer)", "ledger unknown", "relay unknown", "vault unknown"}},
		"not JSON":          {map[string]string{"/v1/programme": "<html>"}, []string{"archive does not answer (its archive does not answer)", "ledger unknown", "relay unknown", "vault unknown"}},
		"no ledger":         {map[string]string{"/rpc/status": ""}, []string{archive, "ledger does not answer (the ledger's node does not answer)", relay, vault}},
		"a ledger that follows": {map[string]string{"/rpc/status": `{"result":{"node_info":{"version":"1","moniker":"m"},"sync_info":{"latest_block_height":"7","catching_up":true}}}`},
			[]string{archive, `ledger answers [crescendo 1, CometBFT 1]: "m" at block 7 (the ledger's node is catching up)`, relay, vault}},
		"an archive that is behind": {map[string]string{"/v1/healthz": `{"blocks":20}`},
			[]string{"archive answers: 20 blocks archived (it has not archived the last 100 blocks)", ledger, relay, vault}},
		"a relay without a vault": {map[string]string{"/relay/v1/vault": ""}, []string{archive, ledger, relay, "vault does not answer (the relay says nothing of a vault)"}},
		"a vault that is refused": {map[string]string{"/relay/v1/vault": `{"vault":"ab","refused":"another measurement"}`},
			[]string{archive, ledger, relay, "vault answers: vault ab (the ledger does not accept the vault: another measurement)"}},
		"a vault that begins": {map[string]string{"/relay/v1/vault": `{"vault":"ab"}`}, []string{archive, ledger, relay, "vault answers: vault ab, not accepted yet"}},
		"a vault that waits":  {map[string]string{"/relay/v1/vault": `{"vault":"ab","accepted":true}`}, []string{archive, ledger, relay, "vault answers: vault ab, accepted, serves nothing yet"}},
		"sent elsewhere":      {map[string]string{"/relay/v1/vault": "-> /elsewhere/v1/vault"}, []string{archive, ledger, relay, "vault does not answer (the relay says nothing of a vault)"}},
		"an endless answer":   {map[string]string{"/relay/v1/vault": `{"vault":"` + strings.Repeat("a", maxAnswer) + `"}`}, []string{archive, ledger, relay, "vault does not answer (the relay says nothing of a vault)"}},
		"other addresses": {map[string]string{"/v1/programme": `{"ledger_rpc":"file:///etc/passwd","relay":"tcp://1"}`},
			[]string{archive, "ledger does not answer (the ledger's node does not answer)", "relay does not answer (the relay does not answer)", "vault unknown"}},
		"nobody else is named": {map[string]string{"/v1/programme": `{}`}, []string{archive, "ledger unknown", "relay unknown", "vault unknown"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := New(Config{Archive: open(t, c.changes).URL})
			w.Look(t.Context())
			r := w.Report()
			var got []string
			for _, n := range r.Services {
				got = append(got, line(n))
				if (n.Micros > 0) != (n.State == Answers) {
					t.Errorf("%s: it took %d µs", line(n), n.Micros)
				}
				if n.Problem != "" && n.Remedy == "" {
					t.Errorf("%s: no remedy", line(n))
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestPeers(t *testing.T) {
	many := `{"result":{"peers":[` + strings.TrimSuffix(strings.Repeat(`{"node_info":{"id":"a","moniker":"`+strings.Repeat("é", 100)+`"}},`, 500), ",") + `]}}`
	for name, c := range map[string]struct {
		says  string
		peers int
		known bool
	}{
		"one":    {"", 1, true},
		"none":   {`{"result":{"peers":[]}}`, 0, true},
		"silent": {"not JSON", 0, false},
		"many":   {many, maxPeers, true},
	} {
		changes := map[string]string{}
		if c.says != "" {
			changes["/rpc/net_info"] = c.says
		}
		w := New(Config{Archive: open(t, changes).URL})
		w.Look(t.Context())
		r := w.Report()
		if len(r.Peers) != c.peers || r.PeersSaid != c.known {
			t.Errorf("%s: %d peers, known: %v", name, len(r.Peers), r.PeersSaid)
		}
		for _, p := range r.Peers {
			if len(p.Name) > maxText+len("…") || strings.ContainsRune(p.Name, '\uFFFD') {
				t.Errorf("%s: a name of %d bytes: %q", name, len(p.Name), p.Name)
			}
		}
		if name == "one" && r.Peers[0] != (Peer{ID: "0123456789ab…", Name: "other", Version: "0.40.0", Millis: 61000}) {
			t.Errorf("%+v", r.Peers[0])
		}
	}
}

// fragile is a store some of whose blobs are damaged.
type fragile struct {
	*blob.Memory
	damaged map[crescendo.Hash]bool
}

func (f fragile) Get(ctx context.Context, h crescendo.Hash, limit int64) ([]byte, error) {
	if f.damaged[h] {
		return nil, fmt.Errorf("get %s: %w", h.Short(), blob.ErrCorrupt)
	}
	return f.Memory.Get(ctx, h, limit)
}

func TestBlobs(t *testing.T) {
	store := fragile{blob.NewMemory(), map[crescendo.Hash]bool{}}
	var samples []Sample
	for i := range 3 {
		h, err := store.Put(t.Context(), []byte{byte(i)})
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, Sample{h, 1, fmt.Sprint("delta ", i)})
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w := New(Config{Store: store, Samples: func() []Sample { return samples }, Now: func() time.Time { return now }})
	look := func(checked, trouble int, open bool) Report {
		t.Helper()
		now = now.Add(time.Minute)
		w.Look(t.Context())
		r := w.Report()
		if r.Blobs.Checked != checked || len(r.Blobs.Trouble) != trouble || trouble > 0 && (r.Blobs.Trouble[0].Till == 0) != open {
			t.Fatalf("%+v, want %d checked, %d troubles, the newest open: %v", r.Blobs, checked, trouble, open)
		}
		return r
	}
	if r := look(3, 0, false); r.Blobs.Micros == 0 || r.Blobs.Last != now.UnixMilli() {
		t.Errorf("%+v", r.Blobs)
	}
	store.damaged[samples[1].Blob] = true
	r := look(2, 1, true)
	if got := r.Blobs.Trouble[0]; got.Name != "delta 1" || !strings.Contains(got.Text, "get ") || got.From != now.UnixMilli() {
		t.Errorf("%+v", got)
	}
	look(2, 1, true) // the same one
	delete(store.damaged, samples[1].Blob)
	if r := look(3, 1, false); r.Blobs.Trouble[0].Till-r.Blobs.Trouble[0].From != 2*time.Minute.Milliseconds() {
		t.Errorf("%+v", r.Blobs.Trouble[0])
	}
	now = now.Add(remembered)
	look(3, 0, false) // forgotten
	store.damaged[samples[1].Blob] = true
	look(2, 1, true)
	all := samples
	samples = all[2:] // newer rounds have closed meanwhile
	look(1, 1, true)
	delete(store.damaged, all[1].Blob)
	look(2, 1, false) // it is seen to be right again all the same
	look(1, 1, false)
	now = now.Add(remembered)
	samples = []Sample{{crescendo.Hash{1}, 1, "nowhere"}, all[0]}
	look(1, 1, true) // it is not there at all
}

// What is large, and what is far away, is not fetched all the time.
func TestBlobsAreFetchedInMeasure(t *testing.T) {
	store := fragile{blob.NewMemory(), map[crescendo.Hash]bool{}}
	h, err := store.Put(t.Context(), []byte("delta"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var samples []Sample
	for i := range 100 {
		if h, err = store.Put(t.Context(), []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		samples = append(samples, Sample{h, 1, "delta"})
	}
	w := New(Config{Archive: "http://192.0.2.1:1", Store: store, Samples: func() []Sample { return samples }, Now: func() time.Time { return now }})
	if got := w.blobs(t.Context()).Checked; got != MaxSamples {
		t.Errorf("%d of 100 were fetched", got)
	}
	now = now.Add(farPause - time.Second)
	if got := w.blobs(t.Context()).Checked; got != 0 { // what the report says: nobody has looked
		t.Errorf("%d were fetched again too early", got)
	}
	now = now.Add(time.Second)
	samples[1].Size = maxSample
	if got := w.blobs(t.Context()).Checked; got != 1 {
		t.Errorf("%d were fetched of more bytes than the bound", got)
	}
}

func TestProcesses(t *testing.T) {
	told := []Process{{Role: "trainer", Name: "trainer-1", PID: 5}}
	var err error
	w := New(Config{Processes: func(context.Context) ([]Process, error) { return told, err }})
	w.Look(t.Context())
	if got := w.Report().Processes; !slices.Equal(got, told) {
		t.Errorf("%+v", got)
	}
	err = errors.New("gone")
	w.Look(t.Context())
	if got := w.Report().Processes; len(got) != 0 {
		t.Errorf("of a run that does not answer: %+v", got)
	}
}
