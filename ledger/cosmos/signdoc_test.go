package cosmos_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	dbm "github.com/cosmos/cosmos-db"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authsigning "github.com/cosmos/cosmos-sdk/x/auth/signing"
	"github.com/cosmos/gogoproto/proto"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/ledger/client"
	"github.com/crescendo-network/crescendo/ledger/cosmos/app"
	"github.com/crescendo-network/crescendo/ledger/wire"
	"github.com/crescendo-network/crescendo/program"
)

var update = flag.Bool("rewrite", false, "write the golden files anew")

const goldenSignDocs = "../wire/testdata/signdocs.txt"

// The hand-written sign documents and transactions are byte for byte the
// SDK's. The SDK's are kept as golden vectors for ledger/wire.
func TestSignDocumentsAreTheSDKs(t *testing.T) {
	a, err := app.New(app.Options{ChainID: "golden-1", Rules: program.Rules{}, DB: dbm.NewMemDB()})
	if err != nil {
		t.Fatal(err)
	}
	key := client.KeyFromSeed("golden")
	var golden strings.Builder
	for i, m := range append(program.Messages(), &wire.MsgSend{}) {
		name := m.TypeURL()
		fill(m, uint64(i))
		if send, ok := m.(*wire.MsgSend); ok {
			send.Coins = []wire.Coin{{Denom: "udemo", Amount: "18446744073709551615"}}
		}
		d := wire.Draft{
			ChainID: "golden-1", Account: uint64(i), Sequence: uint64(i * i), PublicKey: key.PublicKey(),
			Messages: []crescendo.Message{m}, Memo: strings.Repeat("m", i%3),
		}
		doc, raw := sdkDocument(t, a, key, d)
		if !bytes.Equal(d.SignDocument(), doc) {
			t.Errorf("%s: sign document\n%x, the SDK's is\n%x", name, d.SignDocument(), doc)
		}
		signature, err := key.Sign(doc)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(d.Encode(signature), raw) {
			t.Errorf("%s: transaction\n%x, the SDK's is\n%x", name, d.Encode(signature), raw)
		}
		fmt.Fprintf(&golden, "%s %d %d %x %x\n", name, d.Account, d.Sequence, doc, raw)
	}
	if *update {
		if err := os.WriteFile(goldenSignDocs, []byte(golden.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenSignDocs)
	if err != nil || string(want) != golden.String() {
		t.Errorf("%s differs from what the SDK makes (%v); run with -rewrite", goldenSignDocs, err)
	}
}

// sdkDocument has the SDK make the sign document and the signed transaction.
func sdkDocument(t *testing.T, a *app.App, key *client.Key, d wire.Draft) (doc, raw []byte) {
	t.Helper()
	ctx, config := context.Background(), a.TxConfig()
	pub := &secp256k1.PubKey{Key: key.PublicKey()}
	b := config.NewTxBuilder()
	var msgs []sdk.Msg
	for _, m := range d.Messages {
		resolved, err := a.Registry().Resolve(m.TypeURL())
		if err != nil {
			t.Fatal(err)
		}
		msg := resolved.(sdk.Msg)
		if err := proto.Unmarshal(canon.Encode(m), msg); err != nil {
			t.Fatal(err)
		}
		msgs = append(msgs, msg)
	}
	if err := b.SetMsgs(msgs...); err != nil {
		t.Fatal(err)
	}
	b.SetMemo(d.Memo)
	b.SetGasLimit(d.Gas())
	unsigned := signing.SignatureV2{
		PubKey: pub, Sequence: d.Sequence,
		Data: &signing.SingleSignatureData{SignMode: signing.SignMode_SIGN_MODE_DIRECT},
	}
	if err := b.SetSignatures(unsigned); err != nil {
		t.Fatal(err)
	}
	doc, err := authsigning.GetSignBytesAdapter(ctx, config.SignModeHandler(), signing.SignMode_SIGN_MODE_DIRECT,
		authsigning.SignerData{
			Address: string(key.Account()), ChainID: d.ChainID, AccountNumber: d.Account, Sequence: d.Sequence, PubKey: pub,
		}, b.GetTx())
	if err != nil {
		t.Fatal(err)
	}
	signature, err := key.Sign(doc)
	if err != nil {
		t.Fatal(err)
	}
	if !pub.VerifySignature(doc, signature) {
		t.Errorf("the SDK refuses the signature %s", hex.EncodeToString(signature))
	}
	unsigned.Data.(*signing.SingleSignatureData).Signature = signature
	if err := b.SetSignatures(unsigned); err != nil {
		t.Fatal(err)
	}
	raw, err = config.TxEncoder()(b.GetTx())
	if err != nil {
		t.Fatal(err)
	}
	return doc, raw
}
