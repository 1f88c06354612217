package desk

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/crescendo-network/crescendo"
)

// passkeys knows which passkey unlocks which wallet that this hub holds. A
// passkey is bound to the name of the hub, so each name has a party of its own.
type passkeys struct {
	wallets *wallets
	parties map[string]*webauthn.WebAuthn // by the request's host

	mu      sync.Mutex
	holders map[string]*holder // by handle
}

// holder is one passkey's owner, as the file beside the wallet keeps it.
type holder struct {
	Handle     []byte              `json:"handle"` // random; what the passkey remembers us by
	Account    crescendo.Account   `json:"account"`
	Credential webauthn.Credential `json:"credential"`
}

// The name is what a browser lists passkeys under.
func (h *holder) WebAuthnID() []byte          { return h.Handle }
func (h *holder) WebAuthnName() string        { return "crescendo wallet" }
func (h *holder) WebAuthnDisplayName() string { return "crescendo wallet held by this hub" }
func (h *holder) WebAuthnCredentials() []webauthn.Credential {
	return []webauthn.Credential{h.Credential}
}

// stranger is somebody whose passkey is being made.
type stranger struct{ handle []byte }

func (s stranger) WebAuthnID() []byte                         { return s.handle }
func (s stranger) WebAuthnName() string                       { return "crescendo wallet" }
func (s stranger) WebAuthnDisplayName() string                { return "crescendo wallet held by this hub" }
func (s stranger) WebAuthnCredentials() []webauthn.Credential { return nil }

const passkeySuffix = ".passkey.json"

func newPasskeys(cfg Config, w *wallets) (*passkeys, error) {
	p := &passkeys{wallets: w, parties: map[string]*webauthn.WebAuthn{}, holders: map[string]*holder{}}
	for _, host := range cfg.Hosts {
		name, _, err := net.SplitHostPort(host)
		if err != nil {
			name = host
		}
		if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
			continue // browsers bind passkeys to names, not to numbers
		}
		scheme := "http://"
		if cfg.TLS {
			scheme = "https://"
		}
		p.parties[strings.ToLower(host)], err = webauthn.New(&webauthn.Config{
			RPID: name, RPDisplayName: "crescendo hub", RPOrigins: []string{scheme + host},
		})
		if err != nil {
			return nil, fmt.Errorf("prepare passkeys for %s: %w", host, err)
		}
	}
	return p, p.load()
}

// named is where this hub can be asked for by a name, empty if nowhere. What
// is called localhost is another machine for whoever is not on this one.
func (p *passkeys) named(tls, here bool) string {
	scheme := "http://"
	if tls {
		scheme = "https://"
	}
	for _, host := range slices.Sorted(maps.Keys(p.parties)) {
		if name, _, _ := net.SplitHostPort(host); here || (name != "localhost" && host != "localhost") {
			return scheme + host + "/login"
		}
	}
	return ""
}

func (p *passkeys) load() error {
	entries, err := os.ReadDir(p.wallets.dir)
	if err != nil {
		return fmt.Errorf("list passkeys: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), passkeySuffix) {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(p.wallets.dir, e.Name()))
		if err != nil {
			return fmt.Errorf("read passkey: %w", err)
		}
		h := new(holder)
		if err := json.Unmarshal(raw, h); err != nil {
			return fmt.Errorf("read passkey %s: %w", e.Name(), err)
		}
		p.holders[string(h.Handle)] = h
	}
	return nil
}

// save keeps a holder. It needs mu.
func (p *passkeys) save(h *holder) error {
	raw, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("keep passkey: %w", err)
	}
	path := filepath.Join(p.wallets.dir, string(h.Account)+passkeySuffix)
	unfinished := path + ".new"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep passkey: %w", err)
	}
	if err := os.WriteFile(unfinished, raw, 0o600); err != nil {
		return fmt.Errorf("keep passkey: %w", err)
	}
	if err := os.Rename(unfinished, path); err != nil {
		return fmt.Errorf("keep passkey: %w", err)
	}
	p.holders[string(h.Handle)] = h
	return nil
}

// ceremony is what the browser is in the middle of.
type ceremony struct {
	data   *webauthn.SessionData
	handle []byte
}

const noteCeremony = "passkey"

// loginPasskey takes the four steps: register and registered make a wallet,
// ask and answer unlock one.
func (d *Desk) loginPasskey(w http.ResponseWriter, r *http.Request, v visit) {
	if err := d.logins.allow(r); err != nil {
		d.refuseJSON(w, r, err)
		return
	}
	if d.passkeys == nil {
		d.refuseJSON(w, r, crescendo.Errorf(crescendo.CodeNotFound, "log in: this hub holds no wallets").WithHint("use a wallet of your own, such as Keplr"))
		return
	}
	party := d.passkeys.parties[strings.ToLower(r.Host)]
	if party == nil {
		d.refuseJSON(w, r, crescendo.Errorf(crescendo.CodeInvalid, "log in: browsers make no passkeys for %s", r.Host).
			WithHint("open the hub under a name, such as localhost, instead of a number"))
		return
	}
	var err error
	switch r.PathValue("step") {
	case "register":
		err = d.beginRegistration(w, v, party)
	case "registered":
		err = d.endRegistration(w, r, v, party)
	case "ask":
		err = d.beginPasskey(w, v, party)
	case "answer":
		err = d.endPasskey(w, r, v, party)
	default:
		err = crescendo.Errorf(crescendo.CodeNotFound, "log in: there is no such step")
	}
	if err != nil {
		d.refuseJSON(w, r, err)
	}
}

func (d *Desk) beginRegistration(w http.ResponseWriter, v visit, party *webauthn.WebAuthn) error {
	handle := make([]byte, 32)
	rand.Read(handle)
	options, data, err := party.BeginRegistration(stranger{handle}, webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
		ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(), UserVerification: protocol.VerificationRequired,
	}))
	if err != nil {
		return fmt.Errorf("begin passkey: %w", err)
	}
	d.sessions.Note(v.session, noteCeremony, &ceremony{data, handle})
	writeJSON(w, http.StatusOK, options)
	return nil
}

var errPasskey = crescendo.Errorf(crescendo.CodeForbidden, "log in: the passkey is not accepted").WithHint("start the login again; if this hub has forgotten the wallet, make a new one")

func (d *Desk) endRegistration(w http.ResponseWriter, r *http.Request, v visit, party *webauthn.WebAuthn) error {
	c, _ := d.sessions.Take(v.session, noteCeremony).(*ceremony)
	if c == nil || c.handle == nil {
		return errPasskey
	}
	credential, err := party.FinishRegistration(stranger{c.handle}, *c.data, r)
	if err != nil {
		d.cfg.Log.Info("passkey refused", "error", err)
		return errPasskey
	}
	signer, err := d.wallets.make()
	if err != nil {
		return err
	}
	p := d.passkeys
	p.mu.Lock()
	err = p.save(&holder{Handle: c.handle, Account: signer.Account(), Credential: *credential})
	p.mu.Unlock()
	if err != nil {
		return err
	}
	d.unlock(w, r, signer.Account())
	return nil
}

func (d *Desk) beginPasskey(w http.ResponseWriter, v visit, party *webauthn.WebAuthn) error {
	// Whoever finds a device that is lying about has no wallet yet: the device
	// has to recognise its owner.
	options, data, err := party.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return fmt.Errorf("begin login: %w", err)
	}
	d.sessions.Note(v.session, noteCeremony, &ceremony{data: data})
	writeJSON(w, http.StatusOK, options)
	return nil
}

func (d *Desk) endPasskey(w http.ResponseWriter, r *http.Request, v visit, party *webauthn.WebAuthn) error {
	c, _ := d.sessions.Take(v.session, noteCeremony).(*ceremony)
	if c == nil || c.handle != nil {
		return errPasskey
	}
	p := d.passkeys
	p.mu.Lock()
	defer p.mu.Unlock()
	var found *holder
	credential, err := party.FinishDiscoverableLogin(func(id, handle []byte) (webauthn.User, error) {
		if found = p.holders[string(handle)]; found == nil || !bytes.Equal(found.Credential.ID, id) {
			return nil, errPasskey
		}
		return found, nil
	}, *c.data, r)
	if err != nil || credential.Authenticator.CloneWarning {
		d.cfg.Log.Info("passkey refused", "error", err)
		return errPasskey
	}
	changed := *found
	changed.Credential = *credential // its counter, which tells of clones
	if err := p.save(&changed); err != nil {
		return err
	}
	d.unlock(w, r, found.Account)
	return nil
}

// unlock begins the session of a wallet that the hub holds.
func (d *Desk) unlock(w http.ResponseWriter, r *http.Request, account crescendo.Account) {
	s, err := d.wallets.get(account)
	if err != nil {
		d.refuseJSON(w, r, err)
		return
	}
	d.enter(w, r, &wallet{account: account, name: short(account), label: labelPasskey, signer: s, public: s.PublicKey()})
}
