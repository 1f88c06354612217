package sealing

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Terms is what a rung's programme and its training say about its seal.
type Terms struct {
	Policy     string         // "open", "sealed-until-repaid" or "sealed"
	FinalSteps uint32         // steps the vault must have done
	OpenBlocks uint64         // open this long after sealing at the latest; 0: never by date
	Base       crescendo.Hash // last public checkpoint
}

// Record takes a vault's finished model of a rung.
func Record(env crescendo.Env, s kv.Store, m *MsgSeal, t Terms) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	v, err := vaultOf(s, env, m.Vault, m.Sender)
	if err != nil {
		return out, err
	}
	if err := checkSeal(env, s, v, m, t); err != nil {
		return out, err
	}
	seal := Seal{Vault: m.Vault, Version: m.Version, Base: m.Base, Container: m.Container, Manifest: m.Manifest,
		KeyCheck: m.KeyCheck, Steps: m.Steps, Loss: m.Loss, Shares: m.Shares, Height: env.Height, Policy: t.Policy}
	out.Emit(crescendo.NewEvent("sealing.sealed", m.Rung, "version", m.Version, "vault", m.Vault, "container", m.Container,
		"steps", m.Steps, "loss", m.Loss, "policy", t.Policy, "keepers", len(m.Shares), "assurance", v.Assurance))
	return out, Seals.Set(s, seal, uint32(m.Rung))
}

func checkSeal(env crescendo.Env, s kv.Reader, v Vault, m *MsgSeal, t Terms) error {
	sealed, err := Seals.Has(s, uint32(m.Rung))
	if err != nil {
		return err
	}
	digest := SealDigest(env.ChainID, *m)
	switch {
	case sealed:
		return crescendo.Errorf(crescendo.CodeDuplicate, "seal rung %d: it is sealed already", m.Rung)
	case m.Version != 1:
		return crescendo.Errorf(crescendo.CodeInvalid, "seal rung %d: version %d, want 1", m.Rung, m.Version)
	case m.Base != t.Base:
		return crescendo.Errorf(crescendo.CodeInvalid, "seal rung %d: built on %s, the last public checkpoint is %s", m.Rung, m.Base.Short(), t.Base.Short())
	case m.Steps != t.FinalSteps:
		return crescendo.Errorf(crescendo.CodeInvalid, "seal rung %d: %d steps inside the vault, want %d", m.Rung, m.Steps, t.FinalSteps)
	case !ed25519.Verify(v.SignKey, digest[:], m.Signature):
		return crescendo.Errorf(crescendo.CodeForbidden, "seal rung %d: the signature is not the vault's", m.Rung)
	}
	return checkShares(s, m)
}

// checkShares wants a share for every keeper that has a key: a rung whose key
// too few can hand over would be lost with its vault.
func checkShares(r kv.Reader, m *MsgSeal) error {
	all, err := Keepers.List(r, nil, MaxKeepers)
	if err != nil {
		return err
	}
	var want, got []string
	for _, e := range all {
		if len(e.Value.SealKey) > 0 {
			want = append(want, string(trimmed(e.Rest)))
		}
	}
	for _, share := range m.Shares {
		got = append(got, string(share.Keeper))
	}
	if len(want) == 0 {
		return crescendo.Errorf(crescendo.CodeWrongTime, "seal rung %d: no keeper has a sealing key yet", m.Rung)
	}
	if !slices.Equal(want, got) {
		return crescendo.Errorf(crescendo.CodeInvalid, "seal rung %d: shares for %d keepers, want one for each of %d", m.Rung, len(got), len(want)).
			WithHint("seal one share to every keeper in Keepers that has a key, sorted by account")
	}
	return nil
}

// vaultOf returns an accepted vault and refuses anyone but its operator.
func vaultOf(r kv.Reader, env crescendo.Env, id crescendo.Hash, sender crescendo.Account) (Vault, error) {
	v, err := Accepted(r, env, id)
	if err != nil {
		return v, err
	}
	if v.Operator != sender {
		return v, crescendo.Errorf(crescendo.CodeForbidden, "%s does not operate vault %s", sender, id.Short())
	}
	return v, nil
}

// RequestKey asks the keepers for a sealed rung's key. A new request replaces
// the vault's last one, whose answers are forgotten.
func RequestKey(env crescendo.Env, s kv.Store, m *MsgRequestKey) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	if _, err := vaultOf(s, env, m.Vault, m.Sender); err != nil {
		return out, err
	}
	if _, err := sealOf(s, m.Rung); err != nil {
		return out, err
	}
	last, err := Requests.Get(s, uint32(m.Rung), m.Vault[:])
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return out, err
	}
	if last.Nonce == m.Nonce {
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "request key of rung %d: the nonce has been used", m.Rung)
	}
	out.Emit(crescendo.NewEvent("sealing.key-requested", m.Rung, "vault", m.Vault, "nonce", m.Nonce))
	return out, Requests.Set(s, Request{Nonce: m.Nonce, Height: env.Height}, uint32(m.Rung), m.Vault[:])
}

// HandOver records a keeper's share for a requesting vault.
func HandOver(env crescendo.Env, s kv.Store, m *MsgHandOver) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	keeper, err := Keepers.Has(s, string(m.Sender))
	if err != nil {
		return out, err
	}
	if !keeper {
		return out, crescendo.Errorf(crescendo.CodeForbidden, "hand over key of rung %d: %s is not a keeper", m.Rung, m.Sender)
	}
	if _, err := Accepted(s, env, m.Vault); err != nil {
		return out, err
	}
	req, err := Requests.Get(s, uint32(m.Rung), m.Vault[:])
	if errors.Is(err, kv.ErrNotFound) {
		return out, crescendo.Errorf(crescendo.CodeNotFound, "hand over key of rung %d: vault %s has not asked for it", m.Rung, m.Vault.Short())
	}
	if err != nil {
		return out, err
	}
	if req.Nonce != m.Nonce {
		return out, crescendo.Errorf(crescendo.CodeInvalid, "hand over key of rung %d: answer to another request", m.Rung)
	}
	for _, share := range req.Shares {
		if share.Keeper == m.Sender {
			return out, crescendo.Errorf(crescendo.CodeDuplicate, "hand over key of rung %d: %s has answered already", m.Rung, m.Sender)
		}
	}
	req.Shares = append(req.Shares, Share{Keeper: m.Sender, Sealed: m.Sealed})
	out.Emit(crescendo.NewEvent("sealing.handed-over", m.Rung, "vault", m.Vault, "keeper", m.Sender, "answers", len(req.Shares)))
	return out, Requests.Set(s, req, uint32(m.Rung), m.Vault[:])
}

// MayOpen marks a rung's key for publication once its policy says so, and
// reports whether it did.
func MayOpen(env crescendo.Env, s kv.Store, rung crescendo.RungID, t Terms, repaid bool) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	seal, err := sealOf(s, rung)
	if err != nil || seal.MayOpen {
		return out, err
	}
	reason := ""
	switch {
	case t.Policy == "open":
		reason = "open by policy"
	case t.Policy == "sealed-until-repaid" && repaid:
		reason = "holders repaid"
	case t.Policy == "sealed-until-repaid" && t.OpenBlocks > 0 && env.Height >= seal.Height+crescendo.Height(t.OpenBlocks):
		reason = "date reached"
	default:
		return out, nil
	}
	seal.MayOpen = true
	out.Emit(crescendo.NewEvent("sealing.may-open", rung, "reason", reason))
	return out, Seals.Set(s, seal, uint32(rung))
}

// Publish opens a rung: the key is public from here on.
func Publish(env crescendo.Env, s kv.Store, m *MsgPublishKey) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	seal, err := sealOf(s, m.Rung)
	if err != nil {
		return out, err
	}
	switch {
	case len(seal.Key) > 0:
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "publish key of rung %d: it is public already", m.Rung)
	case !seal.MayOpen:
		return out, crescendo.Errorf(crescendo.CodeWrongTime, "publish key of rung %d: its policy %q keeps it sealed", m.Rung, seal.Policy)
	case KeyCheck(m.Key) != seal.KeyCheck:
		return out, crescendo.Errorf(crescendo.CodeInvalid, "publish key of rung %d: this is not its key", m.Rung)
	}
	seal.Key = m.Key
	out.Emit(crescendo.NewEvent("sealing.opened", m.Rung, "container", seal.Container, "version", seal.Version))
	return out, Seals.Set(s, seal, uint32(m.Rung))
}

func sealOf(r kv.Reader, rung crescendo.RungID) (Seal, error) {
	seal, err := Seals.Get(r, uint32(rung))
	if errors.Is(err, kv.ErrNotFound) {
		return seal, crescendo.Errorf(crescendo.CodeNotFound, "rung %d is not sealed yet", rung)
	}
	return seal, err
}

func hexed(b []byte) string { return hex.EncodeToString(b) }

// trimmed reads the account at the end of a key.
func trimmed(rest []byte) crescendo.Account {
	if n := len(rest); n > 0 && rest[n-1] == 0 {
		rest = rest[:n-1]
	}
	return crescendo.Account(rest)
}
