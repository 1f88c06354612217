package proxy

import (
	"crypto/ed25519"
	"crypto/hpke"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/inference/openai"
	"github.com/crescendo-network/crescendo/inference/prompt"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/sealing"
)

// A vault that does not know a session yet which the ledger has is asked again:
// it may be as far behind as it likes. One that does not know a session which
// the ledger has not, or not as it was opened, is not.
func TestVaultBehindTheLedger(t *testing.T) {
	for name, c := range map[string]struct {
		record inference.Session // on the ledger
		opened time.Duration     // ago
		used   uint64            // receipts so far
		asked  int64             // how often; the third time the vault knows the session
	}{
		"behind":        {inference.Session{}, 0, 0, 3},
		"far behind":    {inference.Session{}, time.Minute, 0, 3},
		"closing":       {inference.Session{Closing: 9}, 0, 0, 1},
		"closed":        {inference.Session{Closed: true}, 0, 0, 1},
		"settled":       {inference.Session{Sequence: 1}, 0, 0, 1},
		"known before":  {inference.Session{}, 0, 1, 1},
		"never seen it": {inference.Session{}, settling, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := behind(t, c.record)
			s := w.session
			s.opened, s.last.Sequence = time.Now().Add(-c.opened), c.used
			w.pool.idle = []*session{s}
			x := &exchange{server: &server{cfg: w.pool.cfg, pool: w.pool}, request: openai.Request{Model: "rung-1"}, w: httptest.NewRecorder()}
			ask := &choice{exchange: x, prompt: prompt.Request{Prompt: "go on"}}
			err := ask.attempt(t.Context())
			for errors.Is(err, errUnavailable) && w.asked.Load() < 3 {
				err = ask.attempt(t.Context())
			}
			if got := w.asked.Load(); got != c.asked || (err == nil) != (c.asked == 3) || s.broken != (c.asked == 1) {
				t.Errorf("asked %d times, want %d; broken %v, %v", got, c.asked, s.broken, err)
			}
		})
	}
}

// lagging is a vault that knows a session the third time it is asked.
type lagging struct {
	asked   atomic.Int64
	pool    *pool
	session *session
}

func behind(t *testing.T, record inference.Session) *lagging {
	t.Helper()
	w := &lagging{}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	spec, _, err := programfile.Load(filepath.Join("..", "..", "programs", "smoke.yaml"))
	must(err)
	spec.Organiser, spec.Simulated = memory.NewSigner("organiser").Account(), true
	seal, err := hpke.MLKEM768X25519().GenerateKey()
	must(err)
	public, sign, err := ed25519.GenerateKey(nil)
	must(err)
	genuine := crescendo.Hash{1}
	vault := sealing.Vault{Operator: "cresc1olu", SignKey: public, SealKey: seal.PublicKey().Bytes(), Measurement: []byte("good"),
		Trust: sealing.Trust{Kind: sealing.TrustBlock, Height: 1, Root: genuine}}
	id := sealing.VaultID(vault.SignKey, vault.SealKey)
	chain, err := memory.New(memory.Options{ChainID: "crescendo-dev-proxy"}, program.Rules{}, func(s kv.Store) error {
		return errors.Join(program.Genesis(s, spec), sealing.Vaults.Set(s, vault, id[:]), sealing.Seals.Set(s, sealing.Seal{}, uint32(1)),
			sealing.Measurements.Set(s, sealing.Measurement{}, vault.Measurement), inference.Sessions.Set(s, record, uint64(7)))
	}, nil)
	must(err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/vault", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"vault": id, "serving": []int{1}})
	})
	mux.HandleFunc("POST /v1/sealed", func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, sealer, err := prompt.Receive(seal, prompt.Binding{Chain: chain.ChainID(), Rung: 1, Vault: id}, body)
		if err != nil {
			t.Error(err)
			return
		}
		e := prompt.Event{Final: true, Finish: prompt.FinishStop, Input: 1}
		e.Receipt.Receipt = inference.Receipt{Chain: chain.ChainID(), Session: 7, Sequence: 1, Requests: 1, Input: 1}
		sum := inference.Digest(e.Receipt.Receipt)
		e.Receipt.Signature = ed25519.Sign(sign, sum[:])
		if w.asked.Add(1) < 3 {
			e = prompt.Event{Final: true, Failure: prompt.Failure{Code: prompt.FailSession, Text: "session 7 does not exist"}}
		}
		chunk, err := sealer.Seal(e)
		if err != nil {
			t.Error(err)
			return
		}
		prompt.WriteChunk(rw, chunk)
	})
	relay := httptest.NewServer(mux)
	t.Cleanup(relay.Close)
	w.pool, err = newPool(Config{Ledger: provenChain{chain, genuine}, Signer: memory.NewSigner("client"), Relay: relay.URL,
		Sessions: 1, Log: slog.New(slog.DiscardHandler)})
	must(err)
	w.session = &session{id: 7, rung: 1, vault: id, sealKey: vault.SealKey, signKey: public, key: sign, terms: inference.Session{Escrow: 1000}}
	return w
}
