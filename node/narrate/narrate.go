// Package narrate turns events of the ledger into lines for people: who did
// what, amounts in whole units, losses in nats and bits per byte. It keeps
// nothing and decides nothing.
package narrate

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/crescendo-network/crescendo"
)

// Narrator knows the names behind accounts and the unit of money.
type Narrator struct {
	Denom string // smallest unit, such as "udemo": shown in millions as "DEMO"

	mu      sync.Mutex
	names   map[crescendo.Account]string // guarded by mu
	recipes map[string]string            // names by hash, as they were shown; guarded by mu
	// bytesPerToken of the held-out text, to show bits per byte; 0: unknown;
	// guarded by mu.
	bytesPerToken float64
}

// New returns a Narrator for one settlement denom.
func New(denom string) *Narrator {
	return &Narrator{Denom: denom, names: map[crescendo.Account]string{}, recipes: map[string]string{}}
}

// Name gives an account a name.
func (n *Narrator) Name(account crescendo.Account, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[account] = name
}

// NameOf returns the account's name, or its shortened address.
func (n *Narrator) NameOf(account crescendo.Account) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if name, ok := n.names[account]; ok {
		return name
	}
	if s := string(account); len(s) > 16 && !account.IsPot() {
		return s[:8] + ".." + s[len(s)-4:]
	}
	return string(account)
}

// Text tells the narrator how long the held-out text's tokens are.
func (n *Narrator) Text(bytes, tokens int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if tokens > 0 {
		n.bytesPerToken = float64(bytes) / float64(tokens)
	}
}

// Line returns the event as a line. Details says that it is one of the many
// steps of a round, which only a verbose reader wants.
func (n *Narrator) Line(e crescendo.Event) (line string, details bool) {
	f, ok := forms[e.Kind]
	if !ok {
		f = form{text: e.Kind}
		for _, a := range e.Attrs {
			f.text += " " + a.Key + "={" + a.Key + "}"
		}
	}
	if e.Kind == "training.joined" {
		n.learn(e)
	}
	if e.Kind == "research.revealed" || e.Kind == "season.revealed" {
		n.learnRecipe(e)
	}
	text := placeholder.ReplaceAllStringFunc(f.text, func(p string) string {
		return n.value(e, strings.Trim(p, "{}"))
	})
	if e.Rung != 0 {
		text = fmt.Sprintf("rung %d  %s", e.Rung, text)
	}
	return text, f.details
}

// learn takes a trainer's own name from its joining, unless we know better.
func (n *Narrator) learn(e crescendo.Event) {
	account, name := crescendo.Account(e.Get("trainer")), printable(e.Get("name"))
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.names[account]; !known && name != "" {
		n.names[account] = name
	}
}

// maxRecipes bounds the names of recipes that a narrator remembers.
const maxRecipes = 4096

// learnRecipe takes a recipe's name from its being shown.
func (n *Narrator) learnRecipe(e crescendo.Event) {
	name := printable(e.Get("name"))
	n.mu.Lock()
	defer n.mu.Unlock()
	if name != "" && len(n.recipes) < maxRecipes {
		n.recipes[e.Get("recipe")] = name
	}
}

// printable keeps a stranger's text from moving the reader's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return -1
	}, s)
}

var placeholder = regexp.MustCompile(`\{[a-z-]+[$~%]?\}`)

// value prints one attribute: "$" for money, "~" for a loss in micro-nats per
// token, "%" for a gain of it, else whatever it is.
func (n *Narrator) value(e crescendo.Event, key string) string {
	if e.Kind == "program.stage" && (key == "from" || key == "to") {
		return e.Get(key)
	}
	switch key[len(key)-1] {
	case '$':
		v, err := strconv.ParseUint(e.Get(key[:len(key)-1]), 10, 64)
		if err != nil {
			return printable(e.Get(key[:len(key)-1]))
		}
		return n.Money(crescendo.Amount(v))
	case '~':
		v, err := strconv.ParseInt(e.Get(key[:len(key)-1]), 10, 64)
		if err != nil {
			return printable(e.Get(key[:len(key)-1]))
		}
		return n.Loss(crescendo.MicroNats(v))
	}
	v := e.Get(key)
	if strings.HasPrefix(v, "cresc1") || strings.HasPrefix(v, "@") {
		return n.NameOf(crescendo.Account(v))
	}
	if h, err := crescendo.ParseHash(v); err == nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		if name, known := n.recipes[v]; known {
			return fmt.Sprintf("%s (%s)", h.Short(), name)
		}
		return h.Short()
	}
	return printable(v)
}

// Money prints an amount in whole units with six decimals cut to what
// matters.
func (n *Narrator) Money(a crescendo.Amount) string {
	unit := strings.ToUpper(strings.TrimPrefix(n.Denom, "u"))
	whole, part := uint64(a)/1e6, uint64(a)%1e6
	text := fmt.Sprintf("%d.%06d", whole, part)
	for strings.HasSuffix(text, "0") && !strings.HasSuffix(text, ".00") && len(text) > len(fmt.Sprint(whole))+3 {
		text = text[:len(text)-1]
	}
	return text + " " + unit
}

// Loss prints a loss in nats per token and, where the text is known, in bits
// per byte.
func (n *Narrator) Loss(m crescendo.MicroNats) string {
	n.mu.Lock()
	perToken := n.bytesPerToken
	n.mu.Unlock()
	nats := float64(m) / 1e6
	if perToken == 0 {
		return fmt.Sprintf("%.3f nats", nats)
	}
	return fmt.Sprintf("%.3f nats (%.3f bits/byte)", nats, nats/math.Ln2/perToken)
}
