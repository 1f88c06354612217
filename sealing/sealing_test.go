package sealing

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"testing"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Vaults and keepers compute these digests too: a change breaks the protocol.
func TestDigestsGolden(t *testing.T) {
	m := MsgSeal{Sender: "cresc1olu", Rung: 1, Vault: crescendo.Hash{1}, Version: 1, Base: crescendo.Hash{2}, Container: crescendo.Hash{3}, Manifest: crescendo.Hash{4},
		KeyCheck: crescendo.Hash{5}, Steps: 6, Loss: 7, Shares: []Share{{Keeper: "cresc1kim", Sealed: []byte{8}}}, Signature: []byte{9}}
	key := bytes.Repeat([]byte{1}, KeySize)
	for _, c := range []struct{ name, got, want string }{
		{"vault", VaultID([]byte("sign"), []byte("seal")).String(), "ca0174142aed9720e7b099868a8e7c3ae05018eba9783d4403dcac408247abbc"},
		{"seal", SealDigest("chain", m).String(), "dea357f917e9d2ec8e44c1d78dea1f6bcf56d2b58399528e41415b2d20631654"},
		{"key check", KeyCheck(key).String(), "5811cfecbbf8c3dd38cc2b51a0f6614b86af0f38107ffc1d4039a2e610e60751"},
		{"binding", fmt.Sprintf("%x", EvidenceBinding("chain", "cresc1olu", []byte("sign"), []byte("seal"), crescendo.Hash{1})), "70212bebcb4a964aaa7b8a5b4f1694ec22bb6d0c46a03cde73dbbb13f4bbd0c90100000000000000000000000000000000000000000000000000000000000000"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.name, c.got, c.want)
		}
	}
	unsigned := m
	unsigned.Signature = nil
	if SealDigest("chain", unsigned) != SealDigest("chain", m) || len(m.Signature) != 1 {
		t.Error("the digest must not cover the signature, nor change the message")
	}
	if SealDigest("other", m) == SealDigest("chain", m) {
		t.Error("the digest does not bind the chain")
	}
	if VaultID([]byte("sig"), []byte("nseal")) == VaultID([]byte("sign"), []byte("seal")) {
		t.Error("keys of a vault run into each other")
	}
}

func TestCheckRefuses(t *testing.T) {
	seal := func(change func(*MsgSeal)) *MsgSeal {
		m := &MsgSeal{Rung: 1, Vault: crescendo.Hash{1}, Version: 1, Base: crescendo.Hash{1}, Container: crescendo.Hash{1}, Manifest: crescendo.Hash{1},
			KeyCheck: crescendo.Hash{1}, Shares: []Share{{"a", []byte{1}}, {"b", []byte{1}}}, Signature: make([]byte, 64)}
		change(m)
		return m
	}
	if err := seal(func(*MsgSeal) {}).Check(); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]crescendo.Message{
		"no container":       seal(func(m *MsgSeal) { m.Container = crescendo.Hash{} }),
		"version zero":       seal(func(m *MsgSeal) { m.Version = 0 }),
		"negative loss":      seal(func(m *MsgSeal) { m.Loss = -1 }),
		"short signature":    seal(func(m *MsgSeal) { m.Signature = nil }),
		"no shares":          seal(func(m *MsgSeal) { m.Shares = nil }),
		"unsorted shares":    seal(func(m *MsgSeal) { m.Shares[0].Keeper = "c" }),
		"large share":        seal(func(m *MsgSeal) { m.Shares[0].Sealed = make([]byte, MaxShare+1) }),
		"no evidence":        &MsgRegisterVault{SignKey: make([]byte, 32), SealKey: []byte{1}},
		"large evidence":     &MsgRegisterVault{Evidence: make([]byte, MaxEvidence+1), SignKey: make([]byte, 32), SealKey: []byte{1}},
		"odd signing key":    &MsgRegisterVault{Evidence: []byte{1}, SignKey: make([]byte, 31), SealKey: []byte{1}},
		"no sealing key":     &MsgRegisterVault{Evidence: []byte{1}, SignKey: make([]byte, 32)},
		"keeper without key": &MsgRegisterKeeper{},
		"request, no nonce":  &MsgRequestKey{Rung: 1, Vault: crescendo.Hash{1}},
		"empty share":        &MsgHandOver{Rung: 1, Vault: crescendo.Hash{1}, Nonce: crescendo.Hash{1}},
		"short key":          &MsgPublishKey{Rung: 1, Key: []byte{1}},
		"no measurement":     &MsgAllow{},
		"long measurement":   &MsgAllow{Measurement: make([]byte, 65)},
	} {
		if crescendo.CodeOf(m.Check()) != crescendo.CodeInvalid {
			t.Errorf("%s: %v", name, m.Check())
		}
	}
}

// A keeper that is added later must be among the shares; one that has no key
// yet must not.
func TestEveryKeeperGetsAShare(t *testing.T) {
	s, env := kv.NewMemory(), crescendo.Env{ChainID: "chain", Height: 5}
	const organiser = "cresc1org"
	for _, m := range []*MsgRegisterKeeper{
		{Sender: organiser, Keeper: "kim"}, {Sender: "kim", SealKey: []byte("k")},
		{Sender: organiser, SealKey: []byte("o")}, {Sender: organiser, Keeper: "idle"},
	} {
		if _, err := RegisterKeeper(env, s, m, organiser); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := RegisterKeeper(env, s, &MsgRegisterKeeper{Sender: "eve", Keeper: "kim", SealKey: []byte("e")}, organiser); crescendo.CodeOf(err) != crescendo.CodeForbidden {
		t.Errorf("a stranger sets a keeper's key: %v", err)
	}
	private := ed25519.NewKeyFromSeed(make([]byte, 32))
	public := private.Public().(ed25519.PublicKey)
	id := VaultID(public, []byte("seal"))
	if err := Vaults.Set(s, Vault{Operator: "olu", SignKey: public, SealKey: []byte("seal"), Measurement: []byte("m")}, id[:]); err != nil {
		t.Fatal(err)
	}
	if _, err := Allow(env, s, &MsgAllow{Measurement: []byte("m")}); err != nil {
		t.Fatal(err)
	}
	try := func(keepers ...crescendo.Account) error {
		m := MsgSeal{Sender: "olu", Rung: 1, Vault: id, Version: 1, Base: crescendo.Hash{1}, Container: crescendo.Hash{1}, Manifest: crescendo.Hash{1}, KeyCheck: crescendo.Hash{1}}
		for _, k := range keepers {
			m.Shares = append(m.Shares, Share{k, []byte("s")})
		}
		d := SealDigest("chain", m)
		m.Signature = ed25519.Sign(private, d[:])
		_, err := Record(env, s, &m, Terms{Policy: "sealed", Base: crescendo.Hash{1}})
		return err
	}
	for _, keepers := range [][]crescendo.Account{nil, {"kim"}, {organiser}, {organiser, "idle", "kim"}, {organiser, "eve"}} {
		if crescendo.CodeOf(try(keepers...)) != crescendo.CodeInvalid {
			t.Errorf("shares for %v: %v", keepers, try(keepers...))
		}
	}
	if err := try(organiser, "kim"); err != nil {
		t.Error(err)
	}
	if crescendo.CodeOf(try(organiser, "kim")) != crescendo.CodeDuplicate {
		t.Error("sealed twice")
	}
}
