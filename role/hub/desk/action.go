package desk

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/funding"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/revenue"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// action is something a visitor can do: a form that becomes one message.
type action struct {
	name   string // in the address
	title  string
	verb   string // on the button that sends it
	about  string
	fields []field
	build  func(w wish) (intent, error)
	// facts are what to know before filling in the form; nil: nothing.
	facts func(s ledger.State, spec program.Spec, f form, me crescendo.Account) ([]fact, error)
}

// wish is what an action is built from.
type wish struct {
	form
	me      crescendo.Account
	state   ledger.State
	entries *entries
	spec    program.Spec
	chain   string
}

// intent is what an action comes to: a message, and what belongs to it.
type intent struct {
	message crescendo.Message
	facts   []fact // what to know before it is sent
	unit    string // money is shown in
	secret  *entry // to be kept before it is sent; nil: nothing
	opened  *entry // to be published before it is sent; nil: nothing
}

// field is one line of a form.
type field struct {
	name, label, hint string
	kind              string // "rung", "amount", "text", "hash", "number", "choice", "area"
	choices           []string
	standard          string          // what stands there at first
	stages            []program.Stage // of the rung that is chosen at first; empty: the first one
	optional          bool
}

// fact is a figure beside a form.
type fact struct{ Name, Value string }

// form is what was filled in, by field.
type form map[string]string

// maxField bounds one field, maxArea a large one.
const (
	maxField = 256
	maxArea  = 16 << 10
)

var actions = []action{fund, refund, claim, reinvest, enter, contribute, show, propose, vote}

func actionNamed(name string) (action, bool) {
	i := slices.IndexFunc(actions, func(a action) bool { return a.name == name })
	if i < 0 {
		return action{}, false
	}
	return actions[i], true
}

// earning are the stages in which a rung may owe something.
var earning = []program.Stage{program.StageServing, program.StageOpened}

var fund = action{
	name: "fund", title: "Fund a raise", verb: "Buy shares",
	about: "A raise sells shares at a fixed price of one smallest unit each. If it misses its soft cap everybody takes the money back.",
	fields: []field{
		{name: "rung", label: "Rung", kind: "rung", stages: []program.Stage{program.StageRaising}},
		{name: "amount", label: "Amount", kind: "amount", hint: "in smallest units: a million is one demo dollar on development chains"},
	},
	build: func(w wish) (intent, error) {
		rung, amount, err := w.form.rungAndAmount()
		return intent{message: &funding.MsgContribute{Sender: w.me, Rung: rung, Amount: amount}}, err
	},
	facts: raiseFacts,
}

var refund = action{
	name: "refund", title: "Take a refund", verb: "Take the money back",
	about:  "After a raise that missed its soft cap, or a rung that was halted, each holder takes back what was not spent.",
	fields: []field{{name: "rung", label: "Rung", kind: "rung", stages: []program.Stage{program.StageRefunding}}},
	build: func(w wish) (intent, error) {
		rung, err := w.form.rung("rung")
		return intent{message: &funding.MsgRefund{Sender: w.me, Rung: rung}}, err
	},
	facts: raiseFacts,
}

var claim = action{
	name: "claim", title: "Claim what is due", verb: "Take it",
	about:  "Takes everything a rung owes this account as holder, contributor and operator.",
	fields: []field{{name: "rung", label: "Rung that owes it", kind: "rung", stages: earning}},
	build: func(w wish) (intent, error) {
		rung, err := w.form.rung("rung")
		return intent{message: &revenue.MsgClaim{Sender: w.me, Rung: rung}}, err
	},
	facts: dueFacts,
}

var reinvest = action{
	name: "reinvest", title: "Reinvest what is due", verb: "Buy shares with it",
	about: "Buys shares of an open raise with what a rung owes this account as holder and contributor; an operator's part, and what does not fit, is paid out.",
	fields: []field{
		{name: "rung", label: "Rung that owes it", kind: "rung", stages: earning},
		{name: "into", label: "Rung whose raise is open", kind: "rung", stages: []program.Stage{program.StageRaising}},
	},
	build: func(w wish) (intent, error) {
		rung, err := w.form.rung("rung")
		if err != nil {
			return intent{}, err
		}
		into, err := w.form.rung("into")
		return intent{message: &revenue.MsgClaim{Sender: w.me, Rung: rung, Reinvest: into}}, err
	},
	facts: dueFacts,
}

func (f form) rung(name string) (crescendo.RungID, error) {
	n, err := strconv.ParseUint(f[name], 10, 32)
	if err != nil || n == 0 {
		return 0, crescendo.Errorf(crescendo.CodeInvalid, "%s %q: want the number of a rung", name, f[name]).WithHint("rungs are counted from 1")
	}
	return crescendo.RungID(n), nil
}

func (f form) amount(name string) (crescendo.Amount, error) {
	a, err := crescendo.ParseAmount(strings.ReplaceAll(f[name], "_", ""))
	if err != nil {
		return 0, crescendo.Errorf(crescendo.CodeInvalid, "%s %q: want decimal digits", name, f[name]).
			WithHint("amounts are whole numbers of the smallest unit, without point or comma")
	}
	return a, nil
}

func (f form) rungAndAmount() (crescendo.RungID, crescendo.Amount, error) {
	rung, err := f.rung("rung")
	if err != nil {
		return 0, 0, err
	}
	amount, err := f.amount("amount")
	return rung, amount, err
}

// read takes an action's fields from a request, and nothing else.
func (a action) read(value func(string) string) (form, error) {
	f := form{}
	for _, field := range a.fields {
		v := strings.TrimSpace(value(field.name))
		limit := maxField
		if field.kind == "area" {
			limit = maxArea
		}
		if len(v) > limit {
			return f, crescendo.Errorf(crescendo.CodeInvalid, "%s: %d bytes, at most %d", field.label, len(v), limit)
		}
		if v == "" {
			v = field.standard
		}
		f[field.name] = v
	}
	return f, nil
}

// draft is a message that was shown and waits to be confirmed.
type draft struct {
	nonce  string
	action string
	form   form
	intent intent
}

const noteDraft = "draft"

func (d *Desk) formPage(w http.ResponseWriter, r *http.Request, v visit) {
	a, ok := actionNamed(r.PathValue("action"))
	if !ok {
		d.refuse(w, r, http.StatusNotFound, crescendo.Errorf(crescendo.CodeNotFound, "there is no such form").WithHint("the account page lists what can be done"))
		return
	}
	f, err := a.read(r.URL.Query().Get)
	d.showForm(w, r, v, a, f, err, false)
}

// showForm shows a form as it was filled in, with what is wrong, if anything.
func (d *Desk) showForm(w http.ResponseWriter, r *http.Request, v visit, a action, f form, wrong error, sent bool) {
	m := formModel{Action: a, Form: f, CSRF: v.session.Token(), Wallet: v.wallet}
	status := http.StatusOK
	if wrong != nil {
		m.Text, m.Hint = d.explain(r, wrong)
		if sent {
			status = statusOf(wrong)
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTime)
	defer cancel()
	state, err := d.cfg.Ledger.State(ctx)
	if err != nil {
		d.unread(w, r, err)
		return
	}
	spec, err := program.Specs.Get(state)
	if err != nil {
		d.unread(w, r, err)
		return
	}
	m.Rungs = spec.Rungs
	if m.First, err = firstRungs(state, spec, a); err != nil {
		d.unread(w, r, err)
		return
	}
	if a.facts != nil {
		if m.Facts, err = a.facts(state, spec, f, v.wallet.account); err != nil {
			d.unread(w, r, err)
			return
		}
	}
	d.render(w, r, status, a.title, formView(m))
}

// firstRungs are the rungs that fields begin with: the last ones in a stage
// for which the form is meant.
func firstRungs(state ledger.State, spec program.Spec, a action) (map[string]string, error) {
	out := map[string]string{}
	for _, f := range a.fields {
		for i := range spec.Rungs {
			if len(f.stages) == 0 {
				break
			}
			at, err := program.StateOf(state, rungID(i))
			if err != nil {
				return nil, err
			}
			if slices.Contains(f.stages, at.Stage) {
				out[f.name] = decimal(uint64(rungID(i)))
			}
		}
	}
	return out, nil
}

// preview shows what a form would do. Nothing is signed.
func (d *Desk) preview(w http.ResponseWriter, r *http.Request, v visit) {
	a, ok := actionNamed(r.PathValue("action"))
	if !ok {
		d.refuse(w, r, http.StatusNotFound, crescendo.Errorf(crescendo.CodeNotFound, "there is no such form"))
		return
	}
	f, err := a.read(r.PostForm.Get)
	if err != nil {
		d.showForm(w, r, v, a, f, err, true)
		return
	}
	in, err := d.intend(r.Context(), a, f, v.wallet)
	var will foretold
	if err == nil {
		will, err = foretell(r.Context(), d.cfg.Ledger, in.message)
	}
	if err != nil {
		d.showForm(w, r, v, a, f, err, true)
		return
	}
	waiting := &draft{nonce: nonce(), action: a.name, form: f, intent: in}
	d.sessions.Note(v.session, noteDraft, waiting)
	d.render(w, r, http.StatusOK, a.title, previewView(previewModel{
		Action: a, Form: f, CSRF: v.session.Token(), Nonce: waiting.nonce, Wallet: v.wallet,
		Type: in.message.TypeURL(), JSON: messageJSON(in.message), Will: will, Facts: in.facts, Unit: in.unit,
	}))
}

// intend makes the message of a form.
func (d *Desk) intend(ctx context.Context, a action, f form, who *wallet) (intent, error) {
	w := wish{form: f, me: who.account, entries: d.entries, chain: d.cfg.Ledger.ChainID()}
	var err error
	if w.state, err = d.cfg.Ledger.State(ctx); err != nil {
		return intent{}, fmt.Errorf("read state: %w", err)
	}
	if w.spec, err = program.Specs.Get(w.state); err != nil {
		return intent{}, fmt.Errorf("read programme: %w", err)
	}
	in, err := a.build(w)
	if err != nil {
		return intent{}, err
	}
	in.unit = page.Unit(w.spec.Denom)
	if in.secret != nil && d.entries == nil {
		return intent{}, crescendo.Errorf(crescendo.CodeForbidden, "enter: this hub keeps no secrets").WithHint("use `crescendo research enter`")
	}
	return in, in.message.Check()
}

// drafted takes the draft that a confirmation is for. It can be taken once:
// sending the form again does nothing.
func (d *Desk) drafted(r *http.Request, v visit) (*draft, error) {
	waiting, _ := d.sessions.Take(v.session, noteDraft).(*draft)
	if waiting == nil || waiting.action != r.PathValue("action") || waiting.nonce != r.PostForm.Get("nonce") {
		return nil, crescendo.Errorf(crescendo.CodeDuplicate, "confirm: that preview has been used, or another one came after it").
			WithHint("fill in the form again; the account page shows what has been sent")
	}
	return waiting, nil
}

// confirm signs and sends what was shown, with a key that this hub has.
func (d *Desk) confirm(w http.ResponseWriter, r *http.Request, v visit) {
	waiting, err := d.drafted(r, v)
	if err == nil && v.wallet.signer == nil {
		err = crescendo.Errorf(crescendo.CodeForbidden, "confirm: this hub does not hold the key of %s", v.wallet.account).
			WithHint("sign with the browser's wallet, which needs JavaScript")
	}
	if err != nil {
		d.refuse(w, r, statusOf(err), err)
		return
	}
	a, _ := actionNamed(waiting.action)
	if err := d.prepare(r.Context(), waiting.intent); err != nil {
		d.refuse(w, r, http.StatusInternalServerError, err)
		return
	}
	result, err := d.submit(r.Context(), v.wallet.signer, waiting.intent.message)
	if err != nil {
		if refused(err) {
			d.unsent(waiting.intent)
		}
		d.showForm(w, r, v, a, waiting.form, err, true)
		return
	}
	d.say(v.session, page.Flash{Kind: "done", Text: fmt.Sprintf("%s: it is in block %d.", a.title, result.Height)})
	http.Redirect(w, r, "/tx/"+result.TxHash, http.StatusSeeOther)
}
