package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/internal/address"
	"github.com/crescendo-network/crescendo/internal/canon"
)

// golden reads the vectors that the SDK made: type, account number, sequence,
// sign document and transaction.
func golden(t testing.TB) [][]string {
	raw, err := os.ReadFile("testdata/signdocs.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for line := range strings.Lines(string(raw)) {
		out = append(out, strings.Fields(line))
	}
	return out
}

// Transactions the SDK made are read back and made again byte for byte.
func TestGoldenTransactions(t *testing.T) {
	for i, v := range golden(t) {
		doc, _ := hex.DecodeString(v[3])
		raw, _ := hex.DecodeString(v[4])
		var tx Tx
		// The vectors' texts are no addresses, which Check refuses; the
		// parts of the decoder are tested on their own.
		err := fields(raw, func(num protowire.Number, _ uint64, b []byte) error {
			switch num {
			case 1:
				tx.body = b
			case 2:
				tx.auth = b
			case 3:
				tx.Signature = b
			}
			return nil
		})
		if err != nil || tx.decodeAuth() != nil {
			t.Fatalf("%s: %v", v[0], err)
		}
		if got := tx.SignedBytes("golden-1", uint64(i)); !bytes.Equal(got, doc) {
			t.Errorf("%s: signed bytes\n%x, want\n%x", v[0], got, doc)
		}
		if tx.Sequence != uint64(i*i) || len(tx.PublicKey) != 33 || len(tx.Signature) != 64 || tx.Gas == 0 {
			t.Errorf("%s: read %+v", v[0], tx)
		}
	}
}

func draft() Draft {
	pub, _ := hex.DecodeString("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
	from := address.FromPublicKey(pub)
	return Draft{
		ChainID: "test-1", Account: 4, Sequence: 9, PublicKey: pub, Memo: "hi",
		Messages: []crescendo.Message{
			&funding.MsgContribute{Sender: from, Rung: 1, Amount: 5},
			Send("udemo", from, address.Pot("@x"), 7),
		},
	}
}

func TestTransactionRoundTrip(t *testing.T) {
	d := draft()
	tx, err := Decode(d.Encode(make([]byte, 64)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.Messages, tx.Messages); diff != "" {
		t.Error(diff)
	}
	if tx.Signer != d.Messages[0].From() || tx.Sequence != 9 || tx.Memo != "hi" || tx.Gas != d.Gas() {
		t.Errorf("read %+v", tx)
	}
	if !bytes.Equal(tx.SignedBytes("test-1", 4), d.SignDocument()) {
		t.Error("signed bytes differ from the sign document")
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := draft().Encode(make([]byte, 64))
	notCanonical := encodeAny("/crescendo.funding.v1.MsgRefund", append(canon.Encode(draft().Messages[0]), 0x18, 0))
	unknown := encodeAny("/crescendo.funding.v1.MsgPrint", nil)
	for name, raw := range map[string][]byte{
		"cut":           good[:len(good)-70],
		"group":         {0x0b, 0x0c},
		"not canonical": appendBytes(nil, 1, appendBytes(nil, 1, notCanonical)),
		"unknown":       appendBytes(nil, 1, appendBytes(nil, 1, unknown)),
		"many":          appendBytes(nil, 1, bytes.Repeat(appendBytes(nil, 1, encodeAny("/x", nil)), MaxMessages+1)),
		"large":         make([]byte, MaxTxBytes+1),
	} {
		if _, err := Decode(raw); !errors.Is(err, ErrTx) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrorsSurviveTheWire(t *testing.T) {
	for _, code := range codes {
		if code == "" {
			continue
		}
		want := crescendo.Errorf(code, "contribute 5: line one\nline two").WithHint("try less")
		got := ParseError(Codespace, CodeNumber(code), "failed to execute message; message index: 3: "+ErrorLog(want))
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	if got := ParseError("sdk", 5, "spendable balance 1udemo is smaller than 2udemo: insufficient funds"); got.Code != crescendo.CodeFunds {
		t.Errorf("%+v", got)
	}
	if got := ParseError("other", 77, "x"); got.Code != crescendo.CodeInternal || got.Text != "x" {
		t.Errorf("%+v", got)
	}
}

func TestEventsSurviveTheWire(t *testing.T) {
	for _, want := range []crescendo.Event{
		{Kind: "a.b"},
		crescendo.NewEvent("training.joined", 3, "rung", "other", "mode", "x", "name", ""),
	} {
		for _, added := range []string{"msg_index", "mode", ""} {
			attrs := EventAttrs(want)
			if added != "" {
				attrs = append(attrs, crescendo.Attr{Key: added, Value: "0"})
			}
			got, ok := ParseEvent(want.Kind, attrs)
			if d := cmp.Diff(want, got); d != "" || !ok {
				t.Error(ok, d)
			}
		}
	}
	for kind, attrs := range map[string][]crescendo.Attr{
		"transfer":              {{Key: "rung", Value: "1"}},
		"cosmos.authz.v1.Grant": {{Key: "grantee", Value: "x"}},
		"a.b":                   {{Key: "rung", Value: "-1"}},
		"a.c":                   nil,
	} {
		if e, ok := ParseEvent(kind, attrs); ok {
			t.Errorf("%s became %s", kind, e)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(draft().Encode(make([]byte, 64)))
	for _, v := range golden(f) {
		raw, _ := hex.DecodeString(v[4])
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		tx, err := Decode(raw)
		if err == nil {
			for _, m := range tx.Messages {
				m.TypeURL()
				m.From()
			}
		}
		ParseAccountInfo(raw)
	})
}
