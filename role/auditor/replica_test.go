package auditor

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crescendo-network/crescendo"
)

// A replica that has taken the blocks one by one says the same as an
// explanation that reads the whole archive; a block that does not follow
// leaves no trace.
func TestReplica(t *testing.T) {
	r := recorded(t)
	replica, err := NewReplica(r.genesis, rules())
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range r.blocks {
		if i == 5 {
			forged := b
			forged.Txs = append([][]byte{[]byte("not a transaction")}, b.Txs...)
			for _, bad := range [][]byte{nil, forged.Encode(), r.blocks[4].Encode(), r.blocks[6].Encode()} {
				if _, err := replica.Add(bad); err == nil {
					t.Fatal("took a block that is not the next one")
				}
			}
		}
		step, err := replica.Add(b.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if len(step.Wrong) > 0 || step.Height != crescendo.Height(i+1) || step.Signed != 1 || step.Of != 1 || len(step.Txs) != len(b.Txs) {
			t.Fatalf("block %d: %+v", i+1, step)
		}
		if off, err := replica.SupplyError(); off != 0 || err != nil {
			t.Fatalf("block %d: supply error %d, %v", i+1, off, err)
		}
	}
	for _, who := range []string{"ada", rider, "eva", string(signer("fred").Account())} {
		want, err := Explain(t.Context(), archiveOf(t, r.blobs, r.blocks).config(r), who, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := replica.Explain(who, 0)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-from the archive +from the replica):\n%s", who, d)
		}
	}
}
