package keyshare

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/sealing"
)

func identity(t *testing.T) *Identity {
	t.Helper()
	id, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func newKey(t *testing.T) Key {
	t.Helper()
	k, err := NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyTravelsFromVaultToVault(t *testing.T) {
	key, keeper, other, vault := newKey(t), identity(t), identity(t), identity(t)
	topic := Topic{Chain: "crescendo-dev-x", Rung: 1, Version: 1, KeyCheck: key.Check()}
	shares, err := Deal(key, topic, []Recipient{{"ann", keeper.SealKey()}, {"bob", other.SealKey()}})
	if err != nil || len(shares) != 2 {
		t.Fatal(shares, err)
	}
	share, err := Open(keeper, topic, "ann", shares[0].Sealed)
	if err != nil {
		t.Fatal(err)
	}
	id, nonce := crescendo.Hash{1}, crescendo.Hash{2}
	sealed, err := HandOver(share, topic, id, nonce, vault.SealKey())
	if err != nil {
		t.Fatal(err)
	}
	answers := []sealing.Share{{Keeper: "bob", Sealed: []byte("rubbish")}, {Keeper: "ann", Sealed: sealed}}
	got, err := Combine(vault, topic, id, nonce, answers)
	if err != nil || !bytes.Equal(got.Bytes(), key.Bytes()) {
		t.Fatal(err)
	}

	another := topic
	another.Rung = 2
	for name, err := range map[string]error{
		"another keeper's share": second(Open(other, topic, "ann", shares[0].Sealed)),
		"as another keeper":      second(Open(keeper, topic, "bob", shares[0].Sealed)),
		"another rung":           second(Open(keeper, another, "ann", shares[0].Sealed)),
		"another nonce":          second(Combine(vault, topic, id, crescendo.Hash{3}, answers)),
		"another vault":          second(Combine(vault, topic, crescendo.Hash{4}, nonce, answers)),
		"another vault's key":    second(Combine(keeper, topic, id, nonce, answers)),
		"no answers":             second(Combine(vault, topic, id, nonce, nil)),
	} {
		if !errors.Is(err, ErrShare) && !errors.Is(err, ErrNoKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Deal(key, topic, nil); err == nil {
		t.Error("dealt to nobody")
	}
}

func second(_ Key, err error) error { return err }

// A keeper that hands over another key is passed over.
func TestWrongKeyIsNotTaken(t *testing.T) {
	key, wrong, vault := newKey(t), newKey(t), identity(t)
	topic := Topic{Chain: "c", Rung: 1, Version: 1, KeyCheck: key.Check()}
	bad, err := HandOver(wrong, topic, crescendo.Hash{}, crescendo.Hash{}, vault.SealKey())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Combine(vault, topic, crescendo.Hash{}, crescendo.Hash{}, []sealing.Share{{Sealed: bad}}); !errors.Is(err, ErrNoKey) {
		t.Error(err)
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	key, id := newKey(t), identity(t)
	private, err := id.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, v := range []any{key, &key, id, struct{ K Key }{key}, []Key{key}} {
		fmt.Fprintf(&out, "%v %+v %#v %s %x %q %d\n", v, v, v, v, v, v, v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("key", "key", v)
		j, _ := json.Marshal(v)
		out.Write(j)
	}
	for _, secret := range [][]byte{key.Bytes(), private} {
		for _, form := range []string{string(secret[:8]), fmt.Sprintf("%x", secret[:8]), strings.Trim(fmt.Sprint(secret[:4]), "[]")} {
			if strings.Contains(out.String(), form) {
				t.Errorf("a key printed itself: %q in\n%s", form, out.String())
			}
		}
	}
	key.Erase()
	if !bytes.Equal(key.Bytes(), make([]byte, KeySize)) {
		t.Error("not erased")
	}
}

func TestIdentityRoundTrip(t *testing.T) {
	id := identity(t)
	raw, err := id.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseIdentity(raw)
	if err != nil || !bytes.Equal(back.SealKey(), id.SealKey()) {
		t.Fatal(err)
	}
	if _, err := ParseIdentity(raw[:5]); err == nil {
		t.Error("accepted a cut key")
	}
}
