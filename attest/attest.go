// Package attest judges the evidence that a vault presents: that genuine
// hardware vouches for a program with a certain measurement, which holds
// certain keys. Appraise is a pure function, so every validator reaches the
// same verdict; it reads no clock and no network.
//
// What measurement is good is not its business: the ledger's policy says so.
package attest

import (
	"crypto/sha512"
	"fmt"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/attest/sim"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/sealing"
)

// Kinds of evidence.
const (
	Sim    = "sim"
	TDX    = "tdx"
	SEVSNP = "sevsnp"
	NVIDIA = "nvidia"
	TPM    = "tpm"
)

// DevelopmentPrefix begins the name of every chain that may accept simulated
// evidence.
const DevelopmentPrefix = "crescendo-dev-"

// Evidence is the envelope around what a platform signed. Trust is what the
// program inside was told to trust as its ledger; the platform's report covers
// it together with the binding.
type Evidence struct {
	Kind  string        `pb:"1"`
	Body  []byte        `pb:"2"`
	Trust sealing.Trust `pb:"4"`
}

// Encode returns the canonical bytes of the evidence.
func (e Evidence) Encode() []byte { return canon.Encode(e) }

// Decode reads an evidence envelope without judging what is in it.
func Decode(raw []byte) (Evidence, error) {
	var e Evidence
	if len(raw) > sealing.MaxEvidence {
		return e, crescendo.Errorf(crescendo.CodeInvalid, "evidence of %d bytes, limit %d", len(raw), sealing.MaxEvidence)
	}
	if err := canon.Decode(raw, &e); err != nil {
		return e, crescendo.Errorf(crescendo.CodeInvalid, "read evidence: %v", err)
	}
	return e, nil
}

// Report returns the 64 bytes that a platform must have signed for evidence
// with this binding and trust.
func Report(binding []byte, trust sealing.Trust) []byte {
	sum := trust.Digest()
	h := sha512.New()
	h.Write([]byte("crescendo/attest/report/v1\x00"))
	h.Write([]byte{byte(len(binding) >> 8), byte(len(binding))})
	h.Write(binding)
	h.Write(sum[:])
	return h.Sum(nil)
}

// Appraise implements sealing.Appraiser. Whether the block that the program was
// told to trust is the ledger's own only the ledger can say.
func Appraise(evidence, binding []byte, simulatedAllowed bool, chainID string, now int64) (sealing.Appraisal, error) {
	a, err := AppraiseVouched(evidence, binding, simulatedAllowed, chainID, now)
	if err == nil && a.Trust.Kind != sealing.TrustBlock {
		return sealing.Appraisal{}, crescendo.Errorf(crescendo.CodeForbidden,
			"appraise evidence: the program believes %.32q, want a block of the ledger (%q)", a.Trust.Kind, sealing.TrustBlock)
	}
	return a, err
}

// AppraiseVouched is Appraise for ledgers in memory, which prove nothing: it
// lets programs pass that believe a single key.
func AppraiseVouched(evidence, binding []byte, simulatedAllowed bool, chainID string, _ int64) (sealing.Appraisal, error) {
	e, err := Decode(evidence)
	if err != nil {
		return sealing.Appraisal{}, err
	}
	switch e.Kind {
	case Sim:
		return appraiseSim(e, binding, simulatedAllowed, chainID)
	case TDX, SEVSNP, NVIDIA, TPM:
		return sealing.Appraisal{}, crescendo.Errorf(crescendo.CodeInvalid, "appraise evidence: kind %s is not supported yet", e.Kind)
	}
	return sealing.Appraisal{}, crescendo.Errorf(crescendo.CodeInvalid, "appraise evidence: unknown kind %.32q", e.Kind)
}

func appraiseSim(e Evidence, binding []byte, allowed bool, chainID string) (sealing.Appraisal, error) {
	if !strings.HasPrefix(chainID, DevelopmentPrefix) || !allowed {
		return sealing.Appraisal{}, crescendo.Errorf(crescendo.CodeForbidden,
			"appraise evidence: it is simulated and proves nothing; chain %.64s does not accept it", chainID).
			WithHint(fmt.Sprintf("only chains named %s* whose programme allows simulation accept it", DevelopmentPrefix))
	}
	measurement, err := sim.Verify(e.Body, Report(binding, e.Trust))
	if err != nil {
		return sealing.Appraisal{}, crescendo.Errorf(crescendo.CodeForbidden, "appraise simulated evidence: %v", err)
	}
	return sealing.Appraisal{Kind: Sim, Assurance: sim.Assurance, Measurement: measurement, Trust: e.Trust}, nil
}
