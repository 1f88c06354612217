package desk_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/ledger/memory"
	"github.com/crescendo-network/crescendo/role/hub/desk"
)

// decode reads an answer to the script.
func decode[T any](t *testing.T, r response, status int) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(r.body), &v); err != nil || r.StatusCode != status {
		t.Fatalf("status %d, want %d (%v)\n%s", r.StatusCode, status, err, r.body)
	}
	return v
}

// adr036 is written out here on its own, as CosmJS does it.
func adr036(account crescendo.Account, text string) []byte {
	return []byte(`{"account_number":"0","chain_id":"","fee":{"amount":[],"gas":"0"},"memo":"","msgs":[{"type":"sign/MsgSignData","value":{"data":"` +
		base64.StdEncoding.EncodeToString([]byte(text)) + `","signer":"` + string(account) + `"}}],"sequence":"0"}`)
}

func (b *browser) challenge() string {
	b.w.t.Helper()
	b.get("/login")
	said := decode[map[string]string](b.w.t, b.json("/login/keplr", map[string]any{}), http.StatusOK)
	return said["challenge"]
}

func (b *browser) keplrLogin(s *memory.Signer) crescendo.Account {
	b.w.t.Helper()
	signature, err := s.Sign(adr036(s.Account(), b.challenge()))
	if err != nil {
		b.w.t.Fatal(err)
	}
	said := decode[map[string]string](b.w.t, b.json("/login/keplr", map[string]any{"public_key": s.PublicKey(), "signature": signature}), http.StatusOK)
	if said["next"] != "/account" {
		b.w.t.Fatalf("next %q", said["next"])
	}
	b.get("/account")
	return s.Account()
}

func TestKeplrLogin(t *testing.T) {
	b := open(t).browser()
	who := b.keplrLogin(memorySigner("visitor"))
	wantText(t, b.get("/account"), http.StatusOK, string(who))
}

func TestForgedKeplrLogins(t *testing.T) {
	me, other := memorySigner("visitor"), memorySigner("other")
	sign := func(s *memory.Signer, text string) []byte {
		signature, err := s.Sign(adr036(s.Account(), text))
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	for name, forge := range map[string]func(text string) (public, signature []byte){
		"another's key":     func(text string) ([]byte, []byte) { return me.PublicKey(), sign(other, text) },
		"an old challenge":  func(string) ([]byte, []byte) { return me.PublicKey(), sign(me, "Log in\nNumber: 1") },
		"the empty text":    func(string) ([]byte, []byte) { return me.PublicKey(), sign(me, "") },
		"a short key":       func(text string) ([]byte, []byte) { return me.PublicKey()[:32], sign(me, text) },
		"a long signature":  func(text string) ([]byte, []byte) { return me.PublicKey(), append(sign(me, text), 0) },
		"zeros":             func(string) ([]byte, []byte) { return me.PublicKey(), make([]byte, 64) },
		"the text unframed": func(text string) ([]byte, []byte) { s, _ := me.Sign([]byte(text)); return me.PublicKey(), s },
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t).browser()
			public, signature := forge(b.challenge())
			r := b.json("/login/keplr", map[string]any{"public_key": public, "signature": signature})
			wantText(t, r, http.StatusForbidden, "the signature does not match")
			wantRedirect(t, b.get("/account"), "/login")
		})
	}
}

// A challenge can be answered once.
func TestKeplrChallengeCountsOnce(t *testing.T) {
	b := open(t).browser()
	me := memorySigner("visitor")
	text := b.challenge()
	decode[map[string]string](t, b.json("/login/keplr", map[string]any{"public_key": me.PublicKey(), "signature": make([]byte, 64)}), http.StatusForbidden)
	signature, _ := me.Sign(adr036(me.Account(), text))
	decode[map[string]string](t, b.json("/login/keplr", map[string]any{"public_key": me.PublicKey(), "signature": signature}), http.StatusForbidden)
}

// asksBrowser is a ledger whose transactions have sign documents as on a
// Cosmos ledger, so that what a browser would sign can be seen.
type asksBrowser struct {
	ledger.Ledger
	signed *[]byte
}

func (a asksBrowser) Submit(ctx context.Context, s ledger.Signer, msgs ...crescendo.Message) (ledger.Result, error) {
	document := []byte("\x0a\x04body\x12\x04auth\x1a\x05chain\x20\x07")
	signature, err := s.Sign(document)
	if err != nil {
		return ledger.Result{}, err
	}
	*a.signed = signature
	return a.Ledger.Submit(ctx, memory.NewSigner("visitor"), msgs...)
}

type signDoc struct {
	Body          []byte `json:"bodyBytes"`
	Auth          []byte `json:"authInfoBytes"`
	ChainID       string `json:"chainId"`
	AccountNumber string `json:"accountNumber"`
	Signer        string `json:"signer"`
	Nonce         string `json:"nonce"`
}

func (b *browser) askToSign(t *testing.T) response {
	t.Helper()
	nonce := nonceOf(t, b.post("/desk/fund", "rung", "2", "amount", "10"))
	b.headers["X-CSRF-Token"] = b.csrf
	defer delete(b.headers, "X-CSRF-Token")
	return b.send("POST", "/desk/fund/sign", "application/x-www-form-urlencoded", strings.NewReader(url.Values{"nonce": {nonce}}.Encode()))
}

func TestBrowserSigns(t *testing.T) {
	var signed []byte
	w := open(t, ledgerIs(func(l ledger.Ledger) ledger.Ledger { return asksBrowser{l, &signed} }))
	b := w.browser()
	who := b.keplrLogin(memorySigner("visitor"))
	if _, err := w.chain.Submit(context.Background(), demo, send(demo.Account(), who, 1000)); err != nil {
		t.Fatal(err)
	}
	doc := decode[signDoc](t, b.askToSign(t), http.StatusOK)
	if string(doc.Body) != "body" || string(doc.Auth) != "auth" || doc.ChainID != "chain" || doc.AccountNumber != "7" || doc.Signer != string(who) {
		t.Errorf("document %+v", doc)
	}
	signature := bytes.Repeat([]byte{7}, 64)
	thief := w.browser()
	thief.keplrLogin(memorySigner("thief"))
	if r := thief.json("/desk/fund/signature", map[string]any{"nonce": doc.Nonce, "signature": signature}); r.StatusCode != http.StatusNotFound {
		t.Errorf("another's number: status %d", r.StatusCode)
	}
	said := decode[map[string]string](t, b.json("/desk/fund/signature", map[string]any{"nonce": doc.Nonce, "signature": signature}), http.StatusOK)
	if !strings.HasPrefix(said["next"], "/tx/") || !bytes.Equal(signed, signature) || w.shares(2, who) != 10 {
		t.Errorf("next %q, signature %x, shares %d", said["next"], signed, w.shares(2, who))
	}
	if r := b.json("/desk/fund/signature", map[string]any{"nonce": doc.Nonce, "signature": signature}); r.StatusCode != http.StatusNotFound {
		t.Errorf("sent again: status %d", r.StatusCode)
	}
}

// A wallet that never signs does not keep its account from the next try.
func TestBrowserThatNeverSigns(t *testing.T) {
	var signed []byte
	w := open(t, ledgerIs(func(l ledger.Ledger) ledger.Ledger { return asksBrowser{l, &signed} }))
	b := w.browser()
	who := b.keplrLogin(memorySigner("visitor"))
	if _, err := w.chain.Submit(context.Background(), demo, send(demo.Account(), who, 1000)); err != nil {
		t.Fatal(err)
	}
	first := decode[signDoc](t, b.askToSign(t), http.StatusOK)
	second := decode[signDoc](t, b.askToSign(t), http.StatusOK)
	if r := b.json("/desk/fund/signature", map[string]any{"nonce": first.Nonce, "signature": make([]byte, 64)}); r.StatusCode != http.StatusNotFound {
		t.Errorf("the first document: status %d", r.StatusCode)
	}
	decode[map[string]string](t, b.json("/desk/fund/signature", map[string]any{"nonce": second.Nonce, "signature": make([]byte, 64)}), http.StatusOK)
	if got := w.shares(2, who); got != 10 {
		t.Errorf("%d shares, want 10", got)
	}
}

// With a key in the browser, the hub cannot confirm by itself.
func TestHubCannotSignForBrowser(t *testing.T) {
	w := open(t)
	b := w.browser()
	who := b.keplrLogin(memorySigner("visitor"))
	if _, err := w.chain.Submit(context.Background(), demo, send(demo.Account(), who, 1000)); err != nil {
		t.Fatal(err)
	}
	wantText(t, b.carryOut("fund", "rung", "2", "amount", "10"), http.StatusForbidden, "does not hold the key")
	wantText(t, b.post("/playground", "model", "first", "prompt", "x"), http.StatusForbidden, "crescendo inference proxy")
}

// authenticator is a passkey in a test.
type authenticator struct {
	t       *testing.T
	key     *ecdsa.PrivateKey
	id      []byte
	handle  []byte
	counter uint32
	origin  string
	blind   bool // it does not recognise its owner
}

func newAuthenticator(t *testing.T) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &authenticator{t: t, key: key, id: []byte("credential-of-a-test"), origin: "http://" + host}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (a *authenticator) client(kind, challenge string) []byte {
	return fmt.Appendf(nil, `{"type":%q,"challenge":%q,"origin":%q,"crossOrigin":false}`, kind, challenge, a.origin)
}

// data is what the authenticator signs: the party, flags and counter.
func (a *authenticator) data(flags byte) []byte {
	const recognised = 0x04
	if a.blind {
		flags &^= recognised
	}
	party := sha256.Sum256([]byte("localhost"))
	a.counter++
	return binary.BigEndian.AppendUint32(append(party[:], flags), a.counter)
}

func (a *authenticator) create(options map[string]any) map[string]any {
	a.t.Helper()
	key := options["publicKey"].(map[string]any)
	a.handle, _ = base64.RawURLEncoding.DecodeString(key["user"].(map[string]any)["id"].(string))
	public, err := webauthncbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: a.key.X.FillBytes(make([]byte, 32)), -3: a.key.Y.FillBytes(make([]byte, 32))})
	if err != nil {
		a.t.Fatal(err)
	}
	data := append(a.data(0x45), make([]byte, 16)...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.id)))
	data = append(append(data, a.id...), public...)
	object, err := webauthncbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	if err != nil {
		a.t.Fatal(err)
	}
	return map[string]any{"id": b64(a.id), "rawId": b64(a.id), "type": "public-key", "response": map[string]any{
		"clientDataJSON": b64(a.client("webauthn.create", key["challenge"].(string))), "attestationObject": b64(object)}}
}

func (a *authenticator) answer(options map[string]any) map[string]any {
	a.t.Helper()
	client := a.client("webauthn.get", options["publicKey"].(map[string]any)["challenge"].(string))
	data := a.data(0x05)
	hash := sha256.Sum256(client)
	sum := sha256.Sum256(append(bytes.Clone(data), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, sum[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return map[string]any{"id": b64(a.id), "rawId": b64(a.id), "type": "public-key", "response": map[string]any{
		"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), "userHandle": b64(a.handle)}}
}

func (b *browser) passkeyLogin(a *authenticator) {
	b.w.t.Helper()
	b.get("/login")
	options := decode[map[string]any](b.w.t, b.json("/login/passkey/register", map[string]any{}), http.StatusOK)
	decode[map[string]any](b.w.t, b.json("/login/passkey/registered", a.create(options)), http.StatusOK)
}

func (b *browser) unlock(a *authenticator) response {
	b.w.t.Helper()
	b.get("/login")
	options := decode[map[string]any](b.w.t, b.json("/login/passkey/ask", map[string]any{}), http.StatusOK)
	return b.json("/login/passkey/answer", a.answer(options))
}

// A passkey unlocks the wallet that the hub made for it, also after a restart.
func TestPasskey(t *testing.T) {
	w := open(t)
	b := w.browser()
	passkey := newAuthenticator(t)
	b.passkeyLogin(passkey)
	first := b.get("/account")
	wantText(t, first, http.StatusOK, "this hub holds the key", "Get pocket money")
	account := accountIn.FindString(first.body)
	wantRedirect(t, b.post("/account/pocket-money"), "/account")
	wantRedirect(t, b.carryOut("fund", "rung", "2", "amount", "10"), "/tx/")
	if got := w.shares(2, crescendo.Account(account)); got != 10 {
		t.Errorf("%d shares, want 10", got)
	}
	again := w.browser()
	decode[map[string]any](t, again.unlock(passkey), http.StatusOK)
	wantText(t, again.get("/account"), http.StatusOK, account)

	restarted := open(t, homeIs(w.home))
	late := restarted.browser()
	decode[map[string]any](t, late.unlock(passkey), http.StatusOK)
	wantText(t, late.get("/account"), http.StatusOK, account)
}

func TestForgedPasskeys(t *testing.T) {
	w := open(t)
	owner := newAuthenticator(t)
	w.browser().passkeyLogin(owner)
	for name, forge := range map[string]func(a *authenticator){
		"another key":      func(a *authenticator) { a.key = newAuthenticator(t).key },
		"another handle":   func(a *authenticator) { a.handle = []byte("somebody") },
		"another id":       func(a *authenticator) { a.id = []byte("another-credential") },
		"another origin":   func(a *authenticator) { a.origin = "http://evil.example:8080" },
		"a clone's number": func(a *authenticator) { a.counter = 0 },
		"found on a bench": func(a *authenticator) { a.blind = true },
	} {
		t.Run(name, func(t *testing.T) {
			w.clock.pass(time.Minute)                                           // logins are limited
			decode[map[string]any](t, w.browser().unlock(owner), http.StatusOK) // the counter moves on
			forged := *owner
			forge(&forged)
			b := w.browser()
			wantText(t, b.unlock(&forged), http.StatusForbidden, "passkey is not accepted")
			wantRedirect(t, b.get("/account"), "/login")
		})
	}
	w.clock.pass(time.Minute)
	b := w.browser()
	b.get("/login")
	options := decode[map[string]any](t, b.json("/login/passkey/ask", map[string]any{}), http.StatusOK)
	answer := owner.answer(options)
	decode[map[string]any](t, b.json("/login/passkey/answer", answer), http.StatusOK)
	b.get("/login")
	if r := b.json("/login/passkey/answer", answer); r.StatusCode != http.StatusForbidden {
		t.Errorf("an answer sent again: status %d", r.StatusCode)
	}
}

func TestPasskeyNeedsAName(t *testing.T) {
	b := open(t).browser()
	b.host = "127.0.0.1:8080"
	wantText(t, b.get("/login"), http.StatusOK, "http://localhost:8080/login")
	wantText(t, b.json("/login/passkey/register", map[string]any{}), http.StatusUnprocessableEntity, "under a name")

	// What is called localhost is another machine for whoever comes from afar.
	far := open(t, func(c *desk.Config) { c.Hosts = []string{"192.0.2.1:8080", "localhost:8080"} }).browser()
	far.from, far.host = "192.0.2.7:1", "192.0.2.1:8080"
	if r := far.get("/login"); r.StatusCode != http.StatusOK || strings.Contains(r.body, "localhost") {
		t.Errorf("a visitor from afar is sent to his own machine (status %d)", r.StatusCode)
	}
	far = open(t, func(c *desk.Config) { c.Hosts, c.TLS = []string{"192.0.2.1", "hub.example", "localhost:8080"}, true }).browser()
	far.from, far.host = "192.0.2.7:1", "192.0.2.1"
	wantText(t, far.get("/login"), http.StatusOK, "https://hub.example/login")
}

// An authenticator that does not recognise its owner makes no wallet.
func TestPasskeysRecogniseTheirOwner(t *testing.T) {
	w := open(t)
	a := newAuthenticator(t)
	a.blind = true
	b := w.browser()
	b.get("/login")
	options := decode[map[string]any](t, b.json("/login/passkey/register", map[string]any{}), http.StatusOK)
	wantText(t, b.json("/login/passkey/registered", a.create(options)), http.StatusForbidden, "passkey is not accepted")
	wantRedirect(t, b.get("/account"), "/login")
}

// Behind a server that speaks HTTPS nobody is on this machine, whatever that
// server passes on.
func TestNothingOfDevelopmentBehindHTTPS(t *testing.T) {
	b := open(t, func(c *desk.Config) { c.TLS, c.Machine = true, &workshop{} }).browser()
	if r := b.get("/login"); r.StatusCode != http.StatusOK || strings.Contains(r.body, "/login/demo") {
		t.Errorf("the demo wallet is offered (status %d)", r.StatusCode)
	}
	if r := b.post("/login/demo"); r.StatusCode != http.StatusForbidden {
		t.Errorf("the demo wallet: status %d", r.StatusCode)
	}
}
