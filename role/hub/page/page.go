// Package page is how the hub looks: the frame around every page, and the
// components pages are made of. Components render what they are given; they
// read nothing, decide nothing, and every one is readable without JavaScript.
//
// The *_templ.go files are generated from the *.templ files by `make templ`.
package page

import (
	"time"

	"github.com/crescendo-network/crescendo"
)

// View is what the frame of a page shows.
type View struct {
	Title     string
	Path      string // of the request, for the navigation
	Programme string
	ChainID   string
	Simulated bool // enclaves are simulated: their operators can read everything
	Demo      bool // actors on this chain are demonstrations
	Height    crescendo.Height
	Updated   time.Time // of the block at Height; zero before the first
	User      *User     // nil: nobody is logged in
	CSRF      string    // token that forms carry
	Flash     *Flash
	Live      string // topic of live updates; empty: the page has none
}

// User is who is logged in.
type User struct {
	Account crescendo.Account
	Name    string
	Wallet  string // says who holds the key: "demo wallet of this machine"
}

// Flash is a message that is shown once, on top of the page.
type Flash struct {
	Kind string // "done" or "error"
	Text string
	Hint string
	Link string // where to look; empty: nowhere
}

// Visitor is what the seat that logs people in adds to a View.
type Visitor struct {
	User  *User
	CSRF  string
	Flash *Flash
}

// link is an entry of the navigation.
type link struct{ Path, Name string }

var navigation = []link{
	{"/", "Programme"}, {"/research", "Research"}, {"/treasury", "Treasury"}, {"/network", "Network"},
	{"/governance", "Governance"}, {"/plan", "Plan"}, {"/playground", "Playground"},
}

// current says whether a link of the navigation leads to where the reader is.
func (v View) current(l link) bool {
	if l.Path == "/" {
		return v.Path == "/" || under(v.Path, "/rung")
	}
	return under(v.Path, l.Path)
}

func under(path, folder string) bool {
	return path == folder || len(path) > len(folder) && path[:len(folder)] == folder && path[len(folder)] == '/'
}

// flashRole makes screen readers interrupt for errors only.
func flashRole(f *Flash) string {
	if f.Kind == "error" {
		return "alert"
	}
	return "status"
}

// Person is an account as people see it.
type Person struct {
	Account crescendo.Account `json:"account"`
	Name    string            `json:"name"` // it gave itself, or its shortened address
	Demo    bool              `json:"demo"` // a demo actor of this machine
}
