package auditor

import (
	"encoding/hex"
	"testing"

	"github.com/crescendo-network/crescendo/training"
)

// TestHonestRun audits a run in which one trainer cheated and was caught:
// everything that the ledger says is so.
func TestHonestRun(t *testing.T) {
	r := recorded(t)
	c := archiveOf(t, r.blobs, r.blocks).config(r)
	c.Trust = hex.EncodeToString(r.blocks[3].Signed.Header.Hash())
	report := audited(t, c)
	for _, f := range report.Failures {
		t.Errorf("%s (%s): %s", f.Claim, f.Class, f.Error)
	}
	if len(report.Unverifiable) != 0 {
		t.Errorf("unverifiable: %q", report.Unverifiable)
	}
	sum := report.ByClass.Proved + report.ByClass.Recomputed + report.ByClass.Attested + report.ByClass.Simulated
	if sum != report.Claims || report.ByClass.Attested != 0 || report.ByClass.Simulated != 3 || report.ByClass.Proved != len(r.blocks)+1 {
		t.Errorf("%+v", report)
	}
	m, err := training.Members.Get(r.ledger.committed, uint32(1), string(signer(rider).Account()))
	if err != nil || m.Fault == "" {
		t.Errorf("the free rider was not caught: %+v, %v", m, err)
	}
	t.Logf("%d blocks: %+v", len(r.blocks), report.ByClass)
}
