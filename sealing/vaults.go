package sealing

import (
	"errors"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// Allow adds a measurement to the policy or denies it at once; vaults with a
// denied measurement lose their standing. The caller has checked that the
// sender may do that.
func Allow(env crescendo.Env, s kv.Store, m *MsgAllow) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	if err := Measurements.Set(s, Measurement{Since: env.Height, Denied: m.Deny}, m.Measurement); err != nil {
		return out, err
	}
	kind := "sealing.allowed"
	if m.Deny {
		kind = "sealing.denied"
	}
	out.Emit(crescendo.NewEvent(kind, 0, "measurement", hexed(m.Measurement)))
	return out, markDenied(s, m.Measurement, m.Deny)
}

// markDenied writes the policy's word into the vaults it concerns, for those
// who read them. What decides is always the policy itself, in Accepted.
func markDenied(s kv.Store, measurement []byte, denied bool) error {
	vaults, err := Vaults.List(s, nil, kv.MaxPage)
	if err != nil {
		return err
	}
	for _, e := range vaults {
		v := e.Value
		if string(v.Measurement) != string(measurement) || v.Denied == denied {
			continue
		}
		v.Denied = denied
		if err := Vaults.Set(s, v, e.Rest); err != nil {
			return err
		}
	}
	return nil
}

// RegisterVault accepts a vault whose evidence binds its keys, whose
// measurement the policy allows and which believes this very ledger.
func RegisterVault(env crescendo.Env, s kv.Store, m *MsgRegisterVault, appraise Appraiser, simulatedAllowed bool) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	id := VaultID(m.SignKey, m.SealKey)
	known, err := Vaults.Has(s, id[:])
	if err != nil {
		return out, err
	}
	if known {
		return out, crescendo.Errorf(crescendo.CodeDuplicate, "register vault: vault %s is registered already", id.Short())
	}
	if appraise == nil {
		return out, crescendo.Errorf(crescendo.CodeForbidden, "register vault: this ledger appraises no evidence")
	}
	binding := EvidenceBinding(env.ChainID, m.Sender, m.SignKey, m.SealKey, crescendo.Hash{})
	a, err := appraise(m.Evidence, binding, simulatedAllowed, env.ChainID, env.Time)
	if err != nil {
		return out, crescendo.Errorf(crescendo.CodeForbidden, "register vault: evidence refused: %v", err)
	}
	if err := allowed(s, env, a.Measurement); err != nil {
		return out, err
	}
	if err := checkTrust(s, a.Trust); err != nil {
		return out, err
	}
	v := Vault{Operator: m.Sender, SignKey: m.SignKey, SealKey: m.SealKey, Measurement: a.Measurement,
		Kind: a.Kind, Assurance: a.Assurance, Height: env.Height, Trust: a.Trust}
	out.Emit(crescendo.NewEvent("sealing.vault-accepted", 0, "vault", id, "operator", m.Sender, "kind", a.Kind,
		"assurance", a.Assurance, "measurement", hexed(a.Measurement)))
	return out, Vaults.Set(s, v, id[:])
}

// Accepted returns a vault that the policy accepts now.
func Accepted(r kv.Reader, env crescendo.Env, id crescendo.Hash) (Vault, error) {
	v, err := Vaults.Get(r, id[:])
	if errors.Is(err, kv.ErrNotFound) {
		return v, crescendo.Errorf(crescendo.CodeNotFound, "vault %s is not registered", id.Short())
	}
	if err != nil {
		return v, err
	}
	return v, allowed(r, env, v.Measurement)
}

func allowed(r kv.Reader, env crescendo.Env, measurement []byte) error {
	if len(measurement) == 0 || len(measurement) > MaxMeasurement {
		return crescendo.Errorf(crescendo.CodeForbidden, "evidence without a usable measurement")
	}
	p, err := Measurements.Get(r, measurement)
	if errors.Is(err, kv.ErrNotFound) {
		return crescendo.Errorf(crescendo.CodeForbidden, "measurement %s is not in the policy", hexed(measurement)).
			WithHint("the organiser must allow exactly this vault binary first")
	}
	if err != nil {
		return err
	}
	if p.Denied || p.Since > env.Height {
		return crescendo.Errorf(crescendo.CodeForbidden, "measurement %s is denied by the policy", hexed(measurement))
	}
	return nil
}

// RegisterKeeper appoints a keeper or sets its key, as MsgRegisterKeeper says.
func RegisterKeeper(env crescendo.Env, s kv.Store, m *MsgRegisterKeeper, organiser crescendo.Account) (crescendo.Outcome, error) {
	var out crescendo.Outcome
	who := m.Keeper
	if who == "" {
		who = m.Sender
	}
	k, err := Keepers.Get(s, string(who))
	appointed := err == nil
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return out, err
	}
	if m.Sender != organiser && (m.Sender != who || !appointed) {
		return out, crescendo.Errorf(crescendo.CodeForbidden, "register keeper %s: only the organiser may appoint keepers", who).
			WithHint("ask the organiser to appoint the account, then set its sealing key")
	}
	if !appointed {
		if err := roomForKeeper(s); err != nil {
			return out, err
		}
		out.Emit(crescendo.NewEvent("sealing.keeper-appointed", 0, "keeper", who))
	}
	if len(m.SealKey) > 0 {
		k.SealKey = m.SealKey
		out.Emit(crescendo.NewEvent("sealing.keeper-registered", 0, "keeper", who))
	}
	return out, Keepers.Set(s, k, string(who))
}

func roomForKeeper(r kv.Reader) error {
	all, err := Keepers.List(r, nil, MaxKeepers)
	if err != nil {
		return err
	}
	if len(all) >= MaxKeepers {
		return crescendo.Errorf(crescendo.CodeInvalid, "register keeper: there are %d already", MaxKeepers)
	}
	return nil
}
