package cosmos_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"cosmossdk.io/log/v2"
	cmtcrypto "github.com/cometbft/cometbft/proto/tendermint/crypto"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/cosmos/cosmos-sdk/store/v2/rootmulti"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"

	"github.com/crescendo-network/crescendo/ledger/light"
	"github.com/crescendo-network/crescendo/ledger/wire"
)

// treeOf makes a multistore with n entries in the rule store; keys are "k"
// and an even number.
func treeOf(t *testing.T, n int) (*rootmulti.Store, storetypes.CommitID) {
	t.Helper()
	s := rootmulti.NewStore(dbm.NewMemDB(), log.NewNopLogger())
	for _, name := range []string{"acc", "bank", wire.RuleStore, "staking", "zzz"} {
		s.MountStoreWithDB(storetypes.NewKVStoreKey(name), storetypes.StoreTypeIAVL, nil)
	}
	if err := s.LoadLatestVersion(); err != nil {
		t.Fatal(err)
	}
	s.Commit() // proofs begin at version 2
	kvs := s.GetStoreByName(wire.RuleStore).(storetypes.KVStore)
	order := rand.New(rand.NewPCG(uint64(n), 3)).Perm(n)
	for _, i := range order {
		kvs.Set(key(2*i), wire.StoreValue([]byte(fmt.Sprint("value", i))))
	}
	return s, s.Commit()
}

func key(i int) []byte { return fmt.Appendf(nil, "k%04d", i) }

func query(t *testing.T, s *rootmulti.Store, k []byte) (value []byte, ops []light.ProofOp, theirs *cmtcrypto.ProofOps) {
	t.Helper()
	r, err := s.Query(&storetypes.RequestQuery{Path: "/" + wire.RuleStore + "/key", Data: k, Height: s.LastCommitID().Version, Prove: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range r.ProofOps.GetOps() {
		ops = append(ops, light.ProofOp{Type: op.Type, Key: op.Key, Data: op.Data})
	}
	return r.Value, ops, r.ProofOps
}

// Proofs of presence and absence from trees of many sizes verify.
func TestProofsOfAllKeys(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 9, 16, 33, 100} {
		s, id := treeOf(t, n)
		for i := -1; i <= 2*n; i++ {
			k := key(max(i, 0))
			if i < 0 {
				k = []byte("a") // before all others
			}
			value, ops, _ := query(t, s, k)
			present := i >= 0 && i%2 == 0 && i < 2*n
			if present != (len(value) > 0) {
				t.Fatalf("%d entries: key %s has value %q", n, k, value)
			}
			if !present {
				if err := light.VerifyAbsence(id.Hash, wire.RuleStore, k, ops); err != nil {
					t.Errorf("%d entries: absence of %s: %v", n, k, err)
				}
				if light.VerifyValue(id.Hash, wire.RuleStore, k, []byte("x"), ops) == nil {
					t.Errorf("%d entries: %s is absent but a value was proved", n, k)
				}
				continue
			}
			if err := light.VerifyValue(id.Hash, wire.RuleStore, k, value, ops); err != nil {
				t.Errorf("%d entries: %s: %v", n, k, err)
			}
			if light.VerifyAbsence(id.Hash, wire.RuleStore, k, ops) == nil {
				t.Errorf("%d entries: %s is present but its absence was proved", n, k)
			}
			other := append(bytes.Clone(value), '!')
			if light.VerifyValue(id.Hash, wire.RuleStore, k, other, ops) == nil || light.VerifyValue(id.Hash, "bank", k, value, ops) == nil {
				t.Errorf("%d entries: %s: another value or store was proved", n, k)
			}
		}
	}
}

// What we accept of altered proofs, ICS-23's reference accepts too.
func TestAlteredProofs(t *testing.T) {
	s, id := treeOf(t, 20)
	runtime := rootmulti.DefaultProofRuntime()
	r := rand.New(rand.NewPCG(5, 5))
	tried, kept := 0, 0
	for range 4000 {
		i := r.IntN(42)
		k := key(i)
		value, ops, theirs := query(t, s, k)
		altered := slices.Clone(ops)
		theirs = &cmtcrypto.ProofOps{Ops: slices.Clone(theirs.Ops)}
		which := r.IntN(2)
		data := mutate(r, ops[which].Data)
		altered[which].Data, theirs.Ops[which].Data = data, data
		path := fmt.Sprintf("/%s/x:%X", wire.RuleStore, k)
		var ours, reference error
		if len(value) > 0 {
			ours = light.VerifyValue(id.Hash, wire.RuleStore, k, value, altered)
			reference = protect(func() error { return runtime.VerifyValue(theirs, id.Hash, path, value) })
		} else {
			ours = light.VerifyAbsence(id.Hash, wire.RuleStore, k, altered)
			reference = protect(func() error { return runtime.VerifyAbsence(theirs, id.Hash, path) })
		}
		tried++
		if ours == nil {
			kept++
			if reference != nil {
				t.Fatalf("we accept a proof of %s that the reference refuses: %v\n%x", k, reference, data)
			}
		}
	}
	t.Logf("%d altered proofs, %d of them still proofs", tried, kept)
}

// protect turns the reference's panics into errors.
func protect(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return f()
}

func mutate(r *rand.Rand, data []byte) []byte {
	out := bytes.Clone(data)
	for range 1 + r.IntN(2) {
		i := r.IntN(len(out))
		switch r.IntN(3) {
		case 0:
			out[i] ^= 1 << r.IntN(8)
		case 1:
			out = slices.Delete(out, i, i+1)
		default:
			out = slices.Insert(out, i, byte(r.Uint32()))
		}
		if len(out) == 0 {
			return out
		}
	}
	return out
}

// The vectors with which ledger/light is tested where the SDK is not linked.
func TestProofVectors(t *testing.T) {
	type vector struct {
		AppHash light.Hex       `json:"app_hash"`
		Key     light.Hex       `json:"key"`
		Value   light.Hex       `json:"value"`
		Ops     []light.ProofOp `json:"ops"`
	}
	var vectors []vector
	s, id := treeOf(t, 9)
	for _, k := range [][]byte{key(4), key(5), []byte("a"), key(99)} {
		value, ops, _ := query(t, s, k)
		vectors = append(vectors, vector{id.Hash, k, value, ops})
	}
	raw, err := json.MarshalIndent(vectors, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const path = "../light/testdata/proofs.json"
	if *update {
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(path); err != nil || !bytes.Equal(want, raw) {
		t.Errorf("%s is not what the store makes (%v); run with -rewrite", path, err)
	}
}
