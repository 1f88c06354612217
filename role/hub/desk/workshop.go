package desk

import (
	"context"
	"net/http"
	"slices"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/role/hub/page"
)

// Machine is what the buttons of a development chain work on: the processes
// that `crescendo up` runs on this machine.
type Machine interface {
	// Press does what a button says and tells what happened. A button that
	// cannot do anything at the moment answers with a *crescendo.Error.
	Press(ctx context.Context, button string) (Pressed, error)
}

// Pressed is what a button did.
type Pressed struct {
	Done  string `json:"done"`  // what happened
	Watch string `json:"watch"` // path of the page where it is caught; may be empty
}

// button is something to break on purpose.
type button struct {
	Name   string
	Title  string
	About  string
	Caught string
}

// buttons are all there are; Press is never called with another.
var buttons = []button{
	{Name: "kill-trainer", Title: "Kill a trainer",
		About:  "Ends the process of one demo trainer, in the middle of whatever it does.",
		Caught: "The supervisor starts it again; it finds its state by its hash and goes on, or misses a round and is not paid for it."},
	{Name: "add-cheat", Title: "Add a free rider",
		About:  "A new trainer joins who does no work and sends a made-up delta. It is labelled here; the ledger does not know.",
		Caught: "Its first rounds are all replayed. Evaluators arrive at other bits, and its bond and escrow are burned."},
	{Name: "corrupt-blob", Title: "Corrupt a blob",
		About:  "Flips one bit of a delta in this machine's archive, for half a minute.",
		Caught: "Everything is named by the hash of its bytes: the archive itself notices, and nobody takes the damaged bytes for the real ones."},
}

// workshop reports whether a visitor may press buttons: on a development
// chain, on the machine itself, with its demo wallet.
func (d *Desk) workshop(r *http.Request, v visit) bool {
	return d.cfg.Machine != nil && d.development(r) && v.wallet != nil && v.wallet.demo
}

var errNoWorkshop = crescendo.Errorf(crescendo.CodeForbidden, "there are no development buttons here").
	WithHint("they exist while `crescendo up` plays a development chain, on the machine itself, with its demo wallet")

func (d *Desk) workshopPage(w http.ResponseWriter, r *http.Request, v visit) {
	if !d.workshop(r, v) {
		d.refuse(w, r, http.StatusForbidden, errNoWorkshop)
		return
	}
	d.render(w, r, http.StatusOK, "Workshop", workshopView(buttons, v.session.Token()))
}

func (d *Desk) pressButton(w http.ResponseWriter, r *http.Request, v visit) {
	if !d.workshop(r, v) {
		d.refuse(w, r, http.StatusForbidden, errNoWorkshop)
		return
	}
	name := r.PathValue("button")
	if !slices.ContainsFunc(buttons, func(b button) bool { return b.Name == name }) {
		d.refuse(w, r, http.StatusNotFound, crescendo.Errorf(crescendo.CodeNotFound, "there is no such button"))
		return
	}
	done, err := d.cfg.Machine.Press(r.Context(), name)
	if err != nil {
		text, hint := d.explain(r, err)
		d.say(v.session, page.Flash{Kind: "error", Text: text, Hint: hint})
	} else {
		d.cfg.Log.Info("development button pressed", "button", name)
		d.say(v.session, page.Flash{Kind: "done", Text: done.Done, Link: done.Watch})
	}
	http.Redirect(w, r, "/workshop", http.StatusSeeOther)
}
