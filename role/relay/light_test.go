package relay_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/attest"
	"github.com/crescendo-network/crescendo/attest/sim"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/ledger/client"
	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/role/relay"
	"github.com/crescendo-network/crescendo/role/vault/proof"
	"github.com/crescendo-network/crescendo/sealing"
)

// TestVaultBelievesTheLedger takes proofs of a real ledger node, as the vault
// gets them. It needs the crescendo-ledger program, which takes minutes to
// build, and is skipped where nobody has built it.
func TestVaultBelievesTheLedger(t *testing.T) {
	binary := os.Getenv("CRESCENDO_LEDGER")
	if binary == "" {
		binary = filepath.Join("..", "..", "bin", "crescendo-ledger")
	}
	if _, err := os.Stat(binary); err != nil {
		t.Skip("no crescendo-ledger program; run make build")
	}
	const chain = attest.DevelopmentPrefix + "light"
	dir := t.TempDir()
	organiser := memory.NewSigner("organiser")
	spec, _, err := programfile.Load(filepath.Join("..", "..", "programs", "smoke.yaml"))
	must(t, err)
	spec.Organiser, spec.Simulated = organiser.Account(), true
	must(t, os.WriteFile(filepath.Join(dir, "spec"), canon.Encode(spec), 0o600))
	home := filepath.Join(dir, "home")
	out, err := exec.Command(binary, "init", "--home", home, "--spec", filepath.Join(dir, "spec"), "--chain-id", chain,
		"--balance", string(organiser.Account())+"=1000000").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ready := filepath.Join(dir, "ready")
	node := exec.Command(binary, "start", "--home", home, "--rpc", "127.0.0.1:0", "--rest", "", "--grpc", "", "--block-time", "100ms", "--ready-file", ready)
	node.Stderr = os.Stderr
	must(t, node.Start())
	t.Cleanup(func() { node.Process.Kill(); node.Wait() })
	var said struct {
		RPC   string `json:"rpc"`
		Trust struct {
			Height int64  `json:"height"`
			Hash   string `json:"hash"`
		} `json:"trust"`
	}
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if raw, err := os.ReadFile(ready); err == nil {
			must(t, json.Unmarshal(raw, &said))
			break
		}
		if time.Now().After(end) {
			t.Fatal("ledger does not come up")
		}
	}
	hash, err := hex.DecodeString(said.Trust.Hash)
	must(t, err)
	c, err := client.Dial(t.Context(), said.RPC, client.Options{
		ChainID: chain, Trust: light.Trust{ChainID: chain, Height: said.Trust.Height, Hash: hash}})
	must(t, err)
	p := relay.NewLightProver(c, said.RPC)
	trust, err := p.Trust(t.Context())
	must(t, err)
	v, err := proof.NewVerifier(chain, trust)
	must(t, err)

	specKey := program.Specs.Key()
	measurement := sealing.Measurements.Key([]byte("measurement"))
	bundle, err := p.Prove(t.Context(), [][]byte{specKey, measurement}, 0)
	must(t, err)
	first, entries, err := v.Verify([][]byte{specKey, measurement}, bundle)
	must(t, err)
	if !entries[0].Present || !bytes.Equal(entries[0].Value, canon.Encode(spec)) || entries[1].Present {
		t.Errorf("entries at height %d: spec %v, measurement %v", first, entries[0].Present, entries[1].Present)
	}

	// What the ledger has done since must be in the next bundle.
	_, err = c.Submit(t.Context(), organiser, &sealing.MsgAllow{Sender: organiser.Account(), Measurement: []byte("measurement")})
	must(t, err)
	next, err := p.Prove(t.Context(), [][]byte{measurement}, first)
	must(t, err)
	second, entries, err := v.Verify([][]byte{measurement}, next)
	must(t, err)
	if second <= first || !entries[0].Present {
		t.Errorf("at height %d after %d: present %v", second, first, entries[0].Present)
	}

	// A lie anywhere is found.
	for i := 0; i < len(next); i += 7 {
		changed := bytes.Clone(next)
		changed[i] ^= 1
		_, got, err := v.Verify([][]byte{measurement}, changed)
		if err == nil && !bytes.Equal(got[0].Value, entries[0].Value) {
			t.Fatalf("byte %d of %d may be changed", i, len(next))
		}
	}
	if _, _, err := v.Verify([][]byte{specKey}, next); !errors.Is(err, proof.ErrProof) {
		t.Errorf("proof of one key taken for another: %v", err)
	}
	forged := trust
	forged.Root[0] ^= 1
	fresh, err := proof.NewVerifier(chain, forged)
	must(t, err)
	if _, _, err := fresh.Verify([][]byte{specKey, measurement}, bundle); !errors.Is(err, proof.ErrProof) {
		t.Errorf("another trusted block: %v", err)
	}

	// Genuine evidence of a vault that was started on the forged block gets it
	// nothing: not from the ledger, not from a keeper or a client.
	platform, err := sim.NewPlatform(rand.Reader)
	must(t, err)
	genuine := bytes.Repeat([]byte{7}, sim.MeasurementSize)
	_, err = c.Submit(t.Context(), organiser, &sealing.MsgAllow{Sender: organiser.Account(), Measurement: genuine})
	must(t, err)
	register := func(trust sealing.Trust) error {
		signKey, sealKey := bytes.Repeat([]byte{8}, 32), []byte{byte(trust.Root[0])}
		binding := sealing.EvidenceBinding(chain, organiser.Account(), signKey, sealKey, crescendo.Hash{})
		body, err := platform.Quote(genuine, attest.Report(binding, trust))
		must(t, err)
		_, err = c.Submit(t.Context(), organiser, &sealing.MsgRegisterVault{Sender: organiser.Account(), SignKey: signKey, SealKey: sealKey,
			Evidence: attest.Evidence{Kind: attest.Sim, Body: body, Trust: trust}.Encode()})
		return err
	}
	if err := register(forged); crescendo.CodeOf(err) != crescendo.CodeForbidden || !strings.Contains(err.Error(), "not this ledger's") {
		t.Errorf("vault of a forged chain: %v", err)
	}
	vouched := sealing.Trust{Kind: sealing.TrustKey, Root: trust.Root}
	if err := register(vouched); crescendo.CodeOf(err) != crescendo.CodeForbidden {
		t.Errorf("vault that believes a key: %v", err)
	}
	if err := register(trust); err != nil {
		t.Errorf("vault of this chain: %v", err)
	}
	must(t, proof.CheckTrust(t.Context(), c, trust))
	for _, bad := range []sealing.Trust{forged, vouched, {Kind: sealing.TrustBlock, Height: 1 << 40, Root: trust.Root}} {
		if err := proof.CheckTrust(t.Context(), c, bad); err == nil {
			t.Errorf("trust %+v passes", bad)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
