package desk

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/address"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// noteChallenge is what a browser's wallet has to sign to log in.
const noteChallenge = "challenge"

// challengeText is shown by the wallet to its owner, so it says what it is.
func challengeText(host, chain, nonce string) string {
	return fmt.Sprintf("Log in to the crescendo hub at %s for chain %s.\nThis signature moves no money.\nNumber: %s", host, chain, nonce)
}

// loginKeplr proves that the browser's wallet has an account's key: it signs
// an arbitrary text as ADR-036 of the Cosmos SDK says, which is no transaction
// on any chain.
func (d *Desk) loginKeplr(w http.ResponseWriter, r *http.Request, v visit) {
	if err := d.logins.allow(r); err != nil {
		d.refuseJSON(w, r, err)
		return
	}
	var in struct {
		PublicKey []byte `json:"public_key"`
		Signature []byte `json:"signature"`
	}
	if err := readJSON(r, &in); err != nil {
		d.refuseJSON(w, r, err)
		return
	}
	if len(in.Signature) == 0 {
		text := challengeText(r.Host, d.cfg.Ledger.ChainID(), nonce())
		d.sessions.Note(v.session, noteChallenge, text)
		writeJSON(w, http.StatusOK, map[string]string{"challenge": text})
		return
	}
	text, _ := d.sessions.Take(v.session, noteChallenge).(string)
	account, err := checkADR036(text, in.PublicKey, in.Signature)
	if err != nil {
		d.refuseJSON(w, r, err)
		return
	}
	d.enter(w, r, &wallet{account: account, name: short(account), label: labelKeplr, public: in.PublicKey})
}

// checkADR036 returns the account whose key signed the text.
func checkADR036(text string, public, signature []byte) (crescendo.Account, error) {
	wrong := crescendo.Errorf(crescendo.CodeForbidden, "log in: the signature does not match").WithHint("start the login again")
	if text == "" {
		return "", wrong
	}
	key, err := secp256k1.ParsePubKey(public)
	var r, s secp256k1.ModNScalar
	if err != nil || len(public) != secp256k1.PubKeyBytesLenCompressed || len(signature) != 64 ||
		r.SetByteSlice(signature[:32]) || s.SetByteSlice(signature[32:]) || s.IsOverHalfOrder() {
		return "", wrong
	}
	account := address.FromPublicKey(public)
	sum := sha256.Sum256(adr036(account, text))
	if !ecdsa.NewSignature(&r, &s).Verify(sum[:], key) {
		return "", wrong
	}
	return account, nil
}

// adr036 is the document that wallets sign for signArbitrary: amino JSON with
// sorted keys, of chain "" and without fee, so that no chain takes it.
func adr036(account crescendo.Account, text string) []byte {
	data := base64.StdEncoding.EncodeToString([]byte(text))
	return fmt.Appendf(nil, `{"account_number":"0","chain_id":"","fee":{"amount":[],"gas":"0"},"memo":"",`+
		`"msgs":[{"type":"sign/MsgSignData","value":{"data":%q,"signer":%q}}],"sequence":"0"}`, data, account)
}

// signing hands sign documents to browsers and takes their signatures. The
// ledger's client asks a Signer; this one asks the browser.
type signing struct {
	ledger ledger.Ledger

	mu      sync.Mutex
	pending map[string]*asked
}

// Bounds on signatures that are waited for.
const (
	maxPending   = 64
	signatureAge = 2 * time.Minute
)

// asked is one transaction that waits for its owner.
type asked struct {
	nonce   string
	account crescendo.Account
	public  []byte
	message crescendo.Message
	action  string

	document  chan []byte // the client's sign document
	signature chan []byte
	done      chan answered
}

type answered struct {
	result ledger.Result
	err    error
}

var errMoved = crescendo.Errorf(crescendo.CodeWrongTime, "sign: the account sent something else meanwhile").WithHint("fill in the form and sign again")

func newSigning(l ledger.Ledger) *signing {
	return &signing{ledger: l, pending: map[string]*asked{}}
}

// Account implements ledger.Signer.
func (a *asked) Account() crescendo.Account { return a.account }

// PublicKey implements ledger.Signer.
func (a *asked) PublicKey() []byte { return a.public }

// Sign implements ledger.Signer: it waits for the browser. A second document,
// with another sequence number, would need another question to the owner.
func (a *asked) Sign(document []byte) ([]byte, error) {
	select {
	case a.document <- document:
	default:
		return nil, errMoved
	}
	signature, ok := <-a.signature
	if !ok {
		return nil, crescendo.Errorf(crescendo.CodeWrongTime, "sign: nobody signed in time").WithHint("fill in the form and sign again")
	}
	return signature, nil
}

// begin starts a transaction and returns the document to sign.
func (s *signing) begin(ctx context.Context, who *wallet, d *draft) (*asked, []byte, error) {
	a := &asked{
		nonce: d.nonce, account: who.account, public: who.public, message: d.intent.message, action: d.action,
		document: make(chan []byte, 1), signature: make(chan []byte, 1), done: make(chan answered, 1),
	}
	s.forget(who.account)
	s.mu.Lock()
	if len(s.pending) >= maxPending {
		s.mu.Unlock()
		return nil, nil, crescendo.Errorf(crescendo.CodeForbidden, "sign: %d others are about to sign", maxPending).WithHint("try again in a minute")
	}
	s.pending[a.nonce] = a
	s.mu.Unlock()
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), signatureAge)
		defer cancel()
		stop := context.AfterFunc(ctx, func() { s.take(a.nonce, a.account, true) })
		defer stop()
		result, err := s.ledger.Submit(ctx, a, a.message)
		a.done <- answered{result, err}
	}()
	select {
	case document := <-a.document:
		a.document <- nil // full again: Sign refuses a second document
		return a, document, nil
	case end := <-a.done:
		s.take(a.nonce, a.account, true)
		return nil, nil, errors.Join(end.err, ctx.Err())
	case <-ctx.Done():
		s.take(a.nonce, a.account, true)
		return nil, nil, ctx.Err()
	}
}

// take returns what waits under a nonce, for its owner only, and forgets it.
// With abandon nobody will sign it any more.
func (s *signing) take(nonce string, who crescendo.Account, abandon bool) *asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.pending[nonce]
	if a == nil || a.account != who {
		return nil
	}
	delete(s.pending, nonce)
	if abandon {
		close(a.signature)
	}
	return a
}

// beginSigning answers with the document that the browser's wallet signs.
func (d *Desk) beginSigning(w http.ResponseWriter, r *http.Request, v visit) {
	waiting, err := d.drafted(r, v)
	if err == nil && v.wallet.signer != nil {
		err = crescendo.Errorf(crescendo.CodeInvalid, "sign: this hub holds the key of %s", v.wallet.account).WithHint("confirm the preview")
	}
	if err != nil {
		d.refuseJSON(w, r, err)
		return
	}
	if err := d.prepare(r.Context(), waiting.intent); err != nil {
		d.refuseJSON(w, r, err)
		return
	}
	a, document, err := d.signing.begin(r.Context(), v.wallet, waiting)
	if err != nil {
		d.unsent(waiting.intent)
		d.refuseJSON(w, r, err)
		return
	}
	doc, err := parseSignDocument(document)
	if err != nil {
		d.signing.take(a.nonce, a.account, true)
		d.refuseJSON(w, r, err)
		return
	}
	doc.Nonce, doc.Signer = a.nonce, a.account
	writeJSON(w, http.StatusOK, doc)
}

// signDocument is what CosmJS calls a SignDoc, its bytes in base64.
type signDocument struct {
	Body          []byte            `json:"bodyBytes"`
	Auth          []byte            `json:"authInfoBytes"`
	ChainID       string            `json:"chainId"`
	AccountNumber string            `json:"accountNumber"`
	Signer        crescendo.Account `json:"signer"`
	Nonce         string            `json:"nonce"`
}

func parseSignDocument(raw []byte) (signDocument, error) {
	d := signDocument{AccountNumber: "0"}
	for len(raw) > 0 {
		num, typ, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return d, fmt.Errorf("read sign document: %w", protowire.ParseError(n))
		}
		raw = raw[n:]
		var b []byte
		var v uint64
		switch typ {
		case protowire.BytesType:
			b, n = protowire.ConsumeBytes(raw)
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(raw)
		default:
			return d, fmt.Errorf("read sign document: wire type %d", typ)
		}
		if n < 0 {
			return d, fmt.Errorf("read sign document: %w", protowire.ParseError(n))
		}
		raw = raw[n:]
		switch num {
		case 1:
			d.Body = b
		case 2:
			d.Auth = b
		case 3:
			d.ChainID = string(b)
		case 4:
			d.AccountNumber = strconv.FormatUint(v, 10)
		}
	}
	return d, nil
}

// endSigning takes the signature and waits for the transaction.
func (d *Desk) endSigning(w http.ResponseWriter, r *http.Request, v visit) {
	var in struct {
		Nonce     string `json:"nonce"`
		Signature []byte `json:"signature"`
	}
	if err := readJSON(r, &in); err != nil {
		d.refuseJSON(w, r, err)
		return
	}
	a := d.signing.take(in.Nonce, v.wallet.account, false)
	if a == nil {
		d.refuseJSON(w, r, crescendo.Errorf(crescendo.CodeNotFound, "sign: nothing waits for this signature").WithHint("fill in the form and sign again"))
		return
	}
	if len(in.Signature) != 64 {
		close(a.signature)
		d.refuseJSON(w, r, crescendo.Errorf(crescendo.CodeInvalid, "sign: a signature of %d bytes, want 64", len(in.Signature)))
		return
	}
	a.signature <- in.Signature
	var end answered
	select {
	case end = <-a.done:
	case <-r.Context().Done():
		return
	}
	if end.err != nil {
		d.refuseJSON(w, r, end.err)
		return
	}
	d.sent.add(Transaction{Hash: end.result.TxHash, Height: end.result.Height, Signer: a.account,
		Messages: []crescendo.Message{a.message}, Events: end.result.Events})
	act, _ := actionNamed(a.action)
	d.say(v.session, page.Flash{Kind: "done", Text: fmt.Sprintf("%s: it is in block %d.", act.title, end.result.Height)})
	writeJSON(w, http.StatusOK, map[string]string{"next": "/tx/" + end.result.TxHash})
}

func readJSON(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return tooLargeOr(err, "the request is not the JSON that was expected")
	}
	return nil
}

// refuseJSON answers a script.
func (d *Desk) refuseJSON(w http.ResponseWriter, r *http.Request, err error) {
	text, hint := d.explain(r, err)
	writeJSON(w, statusOf(err), map[string]string{"error": text, "hint": hint})
}

// forget gives up what an account was asked to sign before: the ledger's
// client sends one transaction of an account after the other.
func (s *signing) forget(who crescendo.Account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for nonce, a := range s.pending {
		if a.account == who {
			delete(s.pending, nonce)
			close(a.signature)
		}
	}
}
