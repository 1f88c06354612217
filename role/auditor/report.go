package auditor

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/blob"
)

// Class says on whose word a claim stands once the audit is through.
type Class string

// The classes of claims. Attested and simulated claims are never counted as
// verified: nothing here can recompute what happened inside a vault.
const (
	Proved     Class = "proved"     // follows from what the validators signed
	Recomputed Class = "recomputed" // computed again here, with the same result
	Attested   Class = "attested"   // the word of an appraised enclave
	Simulated  Class = "simulated"  // the word of a simulated one: worth nothing
)

// ErrGone marks a claim whose data no longer exists where the audit looked: it
// is unverifiable, not wrong.
var ErrGone = errors.New("the data is gone")

// Report is what an audit found. Claims is the sum of the four classes, of
// Failed and of the unverifiable ones.
type Report struct {
	Claims       int              `json:"claims"`
	ByClass      ByClass          `json:"by_class"`
	Failed       int              `json:"failed"`
	Unverifiable []string         `json:"unverifiable"`
	Failures     []Failure        `json:"failures"`
	ChainID      string           `json:"chain_id"`
	AppHash      string           `json:"app_hash"`
	Height       crescendo.Height `json:"height"`
}

// ByClass counts the claims that hold.
type ByClass struct {
	Proved     int `json:"proved"`
	Recomputed int `json:"recomputed"`
	Attested   int `json:"attested"`
	Simulated  int `json:"simulated"`
}

// Failure is a claim that does not hold.
type Failure struct {
	Claim string `json:"claim"`
	Class Class  `json:"class"`
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`

	order int // of failures that follow from each other; zero: by name
}

// findings collects the outcome of claims; it is safe for concurrent use.
type findings struct {
	mu           sync.Mutex
	held         map[Class]int
	unverifiable []string
	failures     []Failure
	inOrder      bool // claims come one after the other, as the chain goes
}

func newFindings() *findings { return &findings{held: map[Class]int{}} }

// settle records a claim: it holds when err is nil, cannot be checked when its
// data is gone, and fails otherwise.
func (f *findings) settle(class Class, err error, format string, args ...any) {
	name := fmt.Sprintf(format, args...)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil:
		f.held[class]++
	case gone(err):
		f.unverifiable = append(f.unverifiable, name)
	default:
		failure := Failure{Claim: name, Class: class, Error: err.Error(), Hint: hintOf(err)}
		if f.inOrder {
			failure.order = len(f.failures) + 1
		}
		f.failures = append(f.failures, failure)
	}
}

// gone reports whether an error means missing data rather than wrong data.
func gone(err error) bool {
	return (errors.Is(err, ErrGone) || errors.Is(err, blob.ErrNotFound)) && !errors.Is(err, blob.ErrCorrupt)
}

func hintOf(err error) string {
	var e *crescendo.Error
	switch {
	case errors.Is(err, blob.ErrCorrupt):
		return "fetch the blob from another mirror and audit again; if every mirror has these bytes, somebody changed it"
	case errors.As(err, &e) && e.Hint != "":
		return e.Hint
	}
	return "audit another archive of the same chain; if it fails there too, what the ledger says is not what happened"
}

// sequential says whether claims are settled one after the other from now on,
// so that the first failure is the cause of those that follow.
func (f *findings) sequential(yes bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inOrder = yes
}

// report sums the findings up, in an order that does not depend on which
// worker was faster.
func (f *findings) report() Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := Report{
		ByClass: ByClass{f.held[Proved], f.held[Recomputed], f.held[Attested], f.held[Simulated]},
		Failed:  len(f.failures), Unverifiable: append([]string{}, f.unverifiable...), Failures: append([]Failure{}, f.failures...),
	}
	r.Claims = r.ByClass.Proved + r.ByClass.Recomputed + r.ByClass.Attested + r.ByClass.Simulated + r.Failed + len(r.Unverifiable)
	slices.SortFunc(r.Unverifiable, natural)
	slices.SortStableFunc(r.Failures, func(a, b Failure) int {
		switch {
		case a.order != 0 && b.order != 0:
			return cmp.Compare(a.order, b.order)
		case a.order != b.order:
			return cmp.Compare(b.order, a.order) // the chain's come first
		}
		return natural(a.Claim, b.Claim)
	})
	return r
}

// natural orders names so that numbers in them sort by value.
func natural(a, b string) int {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		if digit(a[i]) && digit(b[j]) {
			m, n := number(a[i:]), number(b[j:])
			x, y := trimZeros(a[i:i+m]), trimZeros(b[j:j+n])
			if c := cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)); c != 0 {
				return c
			}
			i, j = i+m, j+n
			continue
		}
		if a[i] != b[j] {
			return cmp.Compare(a[i], b[j])
		}
		i, j = i+1, j+1
	}
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func number(s string) int {
	n := 0
	for n < len(s) && digit(s[n]) {
		n++
	}
	return n
}

func trimZeros(s string) string {
	for len(s) > 1 && s[0] == '0' {
		s = s[1:]
	}
	return s
}
