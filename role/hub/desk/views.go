package desk

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/role/hub/desk/guard"
)

func rungID(i int) crescendo.RungID { return crescendo.RungID(i + 1) }

type loginModel struct {
	CSRF       string
	Demo       bool
	Passkeys   bool
	Named      bool   // the hub was asked for by a name, so passkeys work
	NameURL    string // where they work otherwise
	ChainID    string
	Denom      string
	RPC, REST  string
	Text, Hint string
}

func (d *Desk) renderLogin(w http.ResponseWriter, r *http.Request, csrf string) {
	m := loginModel{CSRF: csrf, Demo: d.hasDemo(r), Passkeys: d.passkeys != nil, ChainID: d.cfg.Ledger.ChainID(), RPC: d.cfg.RPC, REST: d.cfg.REST}
	if d.passkeys != nil {
		m.Named = d.passkeys.parties[strings.ToLower(r.Host)] != nil
		m.NameURL = d.passkeys.named(d.cfg.TLS, guard.Loopback(r))
	}
	spec, _, err := d.seen.ask(r.Context())
	if err != nil {
		d.unread(w, r, err)
		return
	}
	m.Denom = spec.Denom
	d.render(w, r, http.StatusOK, "Log in", loginView(m))
}

type formModel struct {
	Action     action
	Form       form
	CSRF       string
	Wallet     *wallet
	Rungs      []program.Rung
	Facts      []fact
	First      map[string]string // what rungs are chosen at first
	Text, Hint string
}

func (m formModel) value(f field) string {
	if v := m.Form[f.name]; v != "" {
		return v
	}
	if v := m.First[f.name]; v != "" {
		return v
	}
	return f.standard
}

type previewModel struct {
	Action action
	Form   form
	CSRF   string
	Nonce  string
	Wallet *wallet
	Type   string
	JSON   string
	Will   foretold
	Facts  []fact
	Unit   string
}

// back is the form with what was filled in.
func (m previewModel) back() string {
	q := url.Values{}
	for _, f := range m.Action.fields {
		if v := m.Form[f.name]; len(v) <= maxField {
			q.Set(f.name, v)
		}
	}
	return "/desk/" + m.Action.name + "?" + q.Encode()
}

// party names who pays or is paid.
func party(a crescendo.Account, me *wallet) string {
	switch {
	case a == me.account:
		return "you"
	case a.IsPot():
		return "the pot " + string(a)
	}
	return short(a)
}

func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05 UTC") }
