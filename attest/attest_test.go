package attest_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/attest"
	"github.com/crescendo-network/crescendo/attest/attesttest"
	"github.com/crescendo-network/crescendo/attest/sim"
	"github.com/crescendo-network/crescendo/sealing"
)

func TestSim(t *testing.T) {
	platform, err := sim.NewPlatform(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	measurement := bytes.Repeat([]byte{9}, sim.MeasurementSize)
	attesttest.Run(t, attesttest.Provider{
		Kind: attest.Sim, Measurement: measurement, Simulated: true,
		Quote: func(report []byte) ([]byte, error) { return platform.Quote(measurement, report) },
	})
}

func TestOtherKindsAreRefused(t *testing.T) {
	for _, kind := range []string{attest.TDX, attest.SEVSNP, attest.NVIDIA, attest.TPM, "", "sgx", "SIM"} {
		_, err := attest.Appraise(attest.Evidence{Kind: kind, Body: []byte("x")}.Encode(), nil, true, attesttest.Chain, 0)
		if crescendo.CodeOf(err) != crescendo.CodeInvalid {
			t.Errorf("%q: got %v", kind, err)
		}
	}
}

var goldenTrust = sealing.Trust{Kind: sealing.TrustBlock, Height: 1, Root: crescendo.Hash{1}}

// The vector was made once by a platform with a random key; it must stay
// acceptable for ever.
func TestGoldenEvidence(t *testing.T) {
	path := filepath.Join("testdata", "sim.hex")
	binding := bytes.Repeat([]byte{3}, 64)
	if os.Getenv("CRESCENDO_REWRITE") != "" {
		platform, err := sim.NewPlatform(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		body, err := platform.Quote(bytes.Repeat([]byte{4}, 32), attest.Report(binding, goldenTrust))
		if err != nil {
			t.Fatal(err)
		}
		raw := attest.Evidence{Kind: attest.Sim, Body: body, Trust: goldenTrust}.Encode()
		if err := os.WriteFile(path, []byte(hex.EncodeToString(raw)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw := golden(t)
	a, err := attest.Appraise(raw, binding, true, attesttest.Chain, 0)
	if err != nil || !bytes.Equal(a.Measurement, bytes.Repeat([]byte{4}, 32)) || a.Assurance != sim.Assurance || a.Trust != goldenTrust {
		t.Fatalf("got %+v, %v", a, err)
	}
}

// golden returns the evidence of the committed vector.
func golden(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "sim.hex"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func FuzzAppraise(f *testing.F) {
	good := golden(f)
	f.Add(good)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := attest.Appraise(raw, bytes.Repeat([]byte{3}, 64), true, attesttest.Chain, 0)
		if err == nil && !bytes.Equal(raw, good) {
			t.Errorf("accepted evidence nobody signed: %+v", a)
		}
	})
}
