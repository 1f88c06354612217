package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/sealing"
)

// provenChain is a ledger whose every block has the same hash.
type provenChain struct {
	*memory.Chain
	hash crescendo.Hash
}

func (c provenChain) BlockHash(context.Context, crescendo.Height) (crescendo.Hash, error) {
	return c.hash, nil
}

// A vault that was started on a forged chain would believe forged sessions and
// may serve whoever runs it: no prompt goes there, even if the ledger's rules
// have let it through.
func TestNoPromptToAForgedVault(t *testing.T) {
	spec, _, err := programfile.Load(filepath.Join("..", "..", "programs", "smoke.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	spec.Organiser, spec.Simulated = memory.NewSigner("organiser").Account(), true
	genuine := crescendo.Hash{1}
	for name, c := range map[string]struct {
		trust sealing.Trust
		want  string // of the refusal
	}{
		"genuine":        {sealing.Trust{Kind: sealing.TrustBlock, Height: 1, Root: genuine}, ""},
		"forged block":   {sealing.Trust{Kind: sealing.TrustBlock, Height: 1, Root: crescendo.Hash{2}}, "believes another ledger"},
		"trusts a key":   {sealing.Trust{Kind: sealing.TrustKey, Root: genuine}, "believes another ledger"},
		"trusts nothing": {sealing.Trust{}, "believes another ledger"},
	} {
		record := sealing.Vault{Operator: "cresc1olu", SignKey: make([]byte, 32), SealKey: []byte{1}, Measurement: []byte("good"), Trust: c.trust}
		id := sealing.VaultID(record.SignKey, record.SealKey)
		chain, err := memory.New(memory.Options{ChainID: "crescendo-dev-proxy"}, program.Rules{}, func(s kv.Store) error {
			return errors.Join(program.Genesis(s, spec), sealing.Vaults.Set(s, record, id[:]),
				sealing.Measurements.Set(s, sealing.Measurement{}, record.Measurement))
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			json.NewEncoder(w).Encode(map[string]any{"vault": id, "serving": []int{1}})
		}))
		p, err := newPool(Config{Ledger: provenChain{chain, genuine}, Signer: memory.NewSigner("client"), Relay: relay.URL,
			Sessions: 1, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.look(t.Context())
		relay.Close()
		if c.want == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.want != "" && (!errors.Is(err, errUnavailable) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
