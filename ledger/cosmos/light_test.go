package cosmos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cometbft/cometbft/crypto/ed25519"
	cmtjson "github.com/cometbft/cometbft/libs/json"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	cmtversion "github.com/cometbft/cometbft/proto/tendermint/version"
	cmthttp "github.com/cometbft/cometbft/rpc/client/http"
	cmttypes "github.com/cometbft/cometbft/types"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger/client"
	"github.com/crescendo-network/crescendo/ledger/cosmos/app"
	"github.com/crescendo-network/crescendo/ledger/light"
)

func decodeBlock(t *testing.T, raw []byte) light.Block {
	t.Helper()
	b, err := light.DecodeBlock(raw)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// blocksVerify follows all blocks of a chain as an auditor would.
func blocksVerify(t *testing.T, l *client.Client) {
	ctx := context.Background()
	head, err := l.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	first := decodeBlock(t, read(t, l, 1))
	verifier := light.New(light.Trust{ChainID: l.ChainID(), Validators: first.Validators})
	var previous light.Block
	txs, events := 0, 0
	for h := crescendo.Height(1); h <= head.Height; h++ {
		b := decodeBlock(t, read(t, l, h))
		if err := verifier.Verify(b.Signed, b.Validators); err != nil {
			t.Fatal(err)
		}
		if err := b.Verify(); err != nil {
			t.Fatal(err)
		}
		if h > 1 && !bytes.Equal(b.Signed.Header.LastResultsHash, previous.ResultsHash()) {
			t.Errorf("block %d: results of the block before are not what the header says", h)
		}
		if h > 1 && !bytes.Equal(b.Signed.Header.LastBlockID.Hash, previous.Signed.Header.Hash()) {
			t.Errorf("block %d does not name its predecessor", h)
		}
		for _, r := range b.Results {
			events += len(r.Events)
		}
		txs += len(b.Txs)
		previous = b
	}
	if txs < 5 || events < 5 {
		t.Errorf("%d transactions and %d events in %d blocks", txs, events, head.Height)
	}
}

func read(t *testing.T, l *client.Client, h crescendo.Height) []byte {
	t.Helper()
	raw, err := l.Block(context.Background(), h)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// lightAgreesWithComet compares hashes of a real chain's blocks.
func lightAgreesWithComet(t *testing.T, n *app.Node, l *client.Client) {
	comet, err := cmthttp.New("http://"+n.RPC, "/websocket")
	if err != nil {
		t.Fatal(err)
	}
	for h := int64(1); h <= 5; h++ {
		want, err := comet.Block(context.Background(), &h)
		if err != nil {
			t.Fatal(err)
		}
		b := decodeBlock(t, read(t, l, crescendo.Height(h)))
		if !bytes.Equal(b.Signed.Header.Hash(), want.BlockID.Hash) {
			t.Errorf("block %d: hash %X, CometBFT has %X", h, b.Signed.Header.Hash(), want.BlockID.Hash)
		}
	}
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func convert[T any](t *testing.T, from any) T {
	t.Helper()
	raw, err := cmtjson.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	var to T
	if err := json.Unmarshal(raw, &to); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return to
}

func randomHeader(r *rand.Rand, height int64) *cmttypes.Header {
	h := &cmttypes.Header{
		Version: cmtversion.Consensus{Block: 11, App: r.Uint64N(3)}, ChainID: "light-1", Height: height,
		Time: time.Unix(r.Int64N(4e9), r.Int64N(1e9)).UTC(), LastCommitHash: randomBytes(r, 32), DataHash: randomBytes(r, 32),
		ConsensusHash: randomBytes(r, 32), AppHash: randomBytes(r, 32), LastResultsHash: randomBytes(r, 32),
		EvidenceHash: randomBytes(r, 32), ProposerAddress: randomBytes(r, 20),
	}
	if height > 1 {
		h.LastBlockID = cmttypes.BlockID{
			Hash: randomBytes(r, 32), PartSetHeader: cmttypes.PartSetHeader{Total: r.Uint32N(4), Hash: randomBytes(r, 32)}}
	}
	return h
}

// Commits by random subsets of random validator sets are accepted exactly
// when CometBFT accepts them.
func TestCommitsAgainstComet(t *testing.T) {
	accepted := 0
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		keys := map[string]ed25519.PrivKey{}
		var list []*cmttypes.Validator
		for range 1 + r.IntN(7) {
			key := ed25519.GenPrivKeyFromSecret(randomBytes(r, 16))
			v := cmttypes.NewValidator(key.PubKey(), 1+r.Int64N(20))
			keys[v.Address.String()] = key
			list = append(list, v)
		}
		set := cmttypes.NewValidatorSet(list)
		header := randomHeader(r, 1+r.Int64N(9))
		header.ValidatorsHash, header.NextValidatorsHash = set.Hash(), set.Hash()
		id := cmttypes.BlockID{Hash: header.Hash(), PartSetHeader: cmttypes.PartSetHeader{Total: 1, Hash: randomBytes(r, 32)}}
		commit := &cmttypes.Commit{Height: header.Height, Round: r.Int32N(3), BlockID: id}
		for _, v := range set.Validators {
			commit.Signatures = append(commit.Signatures, vote(t, r, keys[v.Address.String()], v, commit))
		}
		want := set.VerifyCommit("light-1", id, header.Height, commit)
		signed := convert[light.SignedHeader](t, cmttypes.SignedHeader{Header: header, Commit: commit})
		ours := convert[[]light.Validator](t, set.Validators)
		if !bytes.Equal(signed.Header.Hash(), header.Hash()) || !bytes.Equal(light.ValidatorsHash(ours), set.Hash()) {
			t.Fatalf("seed %d: hashes differ", seed)
		}
		got := light.New(light.Trust{ChainID: "light-1", Validators: ours}).Verify(signed, ours)
		if (got == nil) != (want == nil) {
			t.Errorf("seed %d: we say %v, CometBFT %v", seed, got, want)
		}
		if got == nil {
			accepted++
		}
	}
	if accepted < 40 || accepted > 180 {
		t.Errorf("%d of 200 accepted: the test does not test much", accepted)
	}
}

// vote is mostly for the block, sometimes absent, nil, or forged.
func vote(t *testing.T, r *rand.Rand, key ed25519.PrivKey, v *cmttypes.Validator, c *cmttypes.Commit) cmttypes.CommitSig {
	t.Helper()
	kind := r.IntN(20)
	if kind < 3 {
		return cmttypes.NewCommitSigAbsent()
	}
	sig := cmttypes.CommitSig{
		BlockIDFlag: cmttypes.BlockIDFlagCommit, ValidatorAddress: v.Address, Timestamp: time.Unix(r.Int64N(4e9), r.Int64N(1e9)).UTC()}
	if kind == 3 {
		sig.BlockIDFlag = cmttypes.BlockIDFlagNil
	}
	p := &cmtproto.Vote{Type: cmtproto.PrecommitType, Height: c.Height, Round: c.Round, Timestamp: sig.Timestamp}
	if sig.BlockIDFlag == cmttypes.BlockIDFlagCommit {
		p.BlockID = c.BlockID.ToProto()
	}
	if kind == 4 {
		p.Round++
	}
	signature, err := key.Sign(cmttypes.VoteSignBytes("light-1", p))
	if err != nil {
		t.Fatal(err)
	}
	sig.Signature = signature
	return sig
}

// A set that changes is followed step by step, and only so.
func TestValidatorChanges(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var sets []*cmttypes.ValidatorSet
	var keys []ed25519.PrivKey
	for range 6 {
		key := ed25519.GenPrivKeyFromSecret(randomBytes(r, 16))
		keys = append(keys, key)
		sets = append(sets, cmttypes.NewValidatorSet([]*cmttypes.Validator{cmttypes.NewValidator(key.PubKey(), 10)}))
	}
	certify := func(height, set, next int) (light.SignedHeader, []light.Validator) {
		h := randomHeader(r, int64(height))
		h.ValidatorsHash, h.NextValidatorsHash = sets[set].Hash(), sets[next].Hash()
		c := &cmttypes.Commit{Height: h.Height, BlockID: cmttypes.BlockID{Hash: h.Hash(), PartSetHeader: cmttypes.PartSetHeader{Total: 1, Hash: randomBytes(r, 32)}}}
		sig := cmttypes.CommitSig{BlockIDFlag: cmttypes.BlockIDFlagCommit, ValidatorAddress: sets[set].Validators[0].Address, Timestamp: h.Time}
		p := &cmtproto.Vote{Type: cmtproto.PrecommitType, Height: c.Height, Timestamp: h.Time, BlockID: c.BlockID.ToProto()}
		signature, err := keys[set].Sign(cmttypes.VoteSignBytes("light-1", p))
		if err != nil {
			t.Fatal(err)
		}
		sig.Signature = signature
		c.Signatures = []cmttypes.CommitSig{sig}
		return convert[light.SignedHeader](t, cmttypes.SignedHeader{Header: h, Commit: c}), convert[[]light.Validator](t, sets[set].Validators)
	}
	first, firstSet := certify(5, 0, 0)
	c := light.New(light.Trust{ChainID: "light-1", Height: 5, Hash: first.Header.Hash()})
	steps := []struct {
		height, set, next int
		want              string
	}{
		{6, 0, 0, "is not the trusted block"},
		{5, 0, 0, "is not the trusted block"}, // another block of the height
		{0, 0, 0, ""},                         // the trusted one
		{20, 0, 1, ""},                        // same validators: any distance
		{22, 1, 2, ""},
		{30, 3, 3, "validators changed in between"},
		{23, 3, 3, "has other validators than its predecessor appointed"},
		{23, 2, 3, ""},
		{24, 3, 3, ""},
		{23, 2, 3, "is older than the newest trusted block"},
		{24, 3, 3, "two blocks at height"},
	}
	for i, s := range steps {
		signed, set := first, firstSet
		if s.height > 0 {
			signed, set = certify(s.height, s.set, s.next)
		}
		err := c.Verify(signed, set)
		if (err == nil) != (s.want == "") || (err != nil && !bytes.Contains([]byte(err.Error()), []byte(s.want))) {
			t.Errorf("step %d (%+v): %v", i, s, err)
		}
	}
	if c.Latest().Height != 24 {
		t.Errorf("newest is %d", c.Latest().Height)
	}
}
