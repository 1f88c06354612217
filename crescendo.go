// Package crescendo holds the nouns of a programme that trains, sells and
// opens a ladder of ever larger models: rungs, rounds, checkpoints, receipts,
// accounts and amounts. Every other package speaks in these words.
//
// The package imports the standard library only and does no I/O. Wire and
// text forms of its types are stable: they appear in transactions, in blobs
// and on the command line.
package crescendo

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// RungID numbers the models of a ladder from 1. Zero is no rung.
type RungID uint32

// Round numbers the outer steps of one rung's training from 1. Zero is none.
type Round uint32

// Height is a ledger block height. Deadlines are heights, never times.
type Height int64

// MicroNats is a loss in millionths of a nat. Losses enter rules in this form
// only, so that no rule ever computes in floating point.
type MicroNats int64

// Hash names immutable bytes by their BLAKE3-256 digest. The zero Hash names
// nothing.
type Hash [32]byte

// String returns 64 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Short returns the first eight hexadecimal digits, for people.
func (h Hash) Short() string { return hex.EncodeToString(h[:4]) }

// IsZero reports whether h names nothing.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalText writes the hexadecimal form.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (h *Hash) UnmarshalText(text []byte) error {
	parsed, err := ParseHash(string(text))
	if err != nil {
		return err
	}
	*h = parsed
	return nil
}

// ParseHash reads 64 hexadecimal digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return Hash{}, fmt.Errorf("parse hash: %d characters, want %d", len(s), 2*len(h))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, fmt.Errorf("parse hash: %w", err)
	}
	return h, nil
}

// Account names whose money or duty something is: a bech32 address
// ("cresc1..."), or a pot, which no key controls and whose name begins with
// "@", as in "@funding/1". Drivers turn pots into addresses.
type Account string

// Burn is the pot whose contents cease to exist: a transfer to it reduces the
// supply.
const Burn Account = "@burn"

// IsPot reports whether no key controls the account.
func (a Account) IsPot() bool { return strings.HasPrefix(string(a), "@") }

// Pot names the account of a rule that holds money for one rung.
func Pot(rule string, rung RungID) Account {
	return Account("@" + rule + "/" + strconv.FormatUint(uint64(rung), 10))
}

// Transfer is an order from a rule to the ledger's bank, the only book of
// balances. A transfer that cannot be carried out voids the message that
// asked for it.
type Transfer struct {
	From, To Account
	Amount   Amount
}

// Event says that something happened. Attributes keep their order, so equal
// histories print and hash alike.
type Event struct {
	Kind  string // "funding.contributed": rule, dot, past participle
	Rung  RungID // zero when the event concerns no rung
	Attrs []Attr
}

// Attr is one named detail of an Event.
type Attr struct{ Key, Value string }

// NewEvent makes an event from alternating keys and values; values are
// printed with fmt.Sprint.
func NewEvent(kind string, rung RungID, pairs ...any) Event {
	e := Event{Kind: kind, Rung: rung}
	for i := 0; i+1 < len(pairs); i += 2 {
		e.Attrs = append(e.Attrs, Attr{fmt.Sprint(pairs[i]), fmt.Sprint(pairs[i+1])})
	}
	return e
}

// Get returns the value of the first attribute with the given key, or "".
func (e Event) Get(key string) string {
	for _, a := range e.Attrs {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}

// String prints the event on one line: kind, rung, attributes in order.
func (e Event) String() string {
	var b strings.Builder
	b.WriteString(e.Kind)
	if e.Rung != 0 {
		fmt.Fprintf(&b, " rung=%d", e.Rung)
	}
	for _, a := range e.Attrs {
		fmt.Fprintf(&b, " %s=%s", a.Key, a.Value)
	}
	return b.String()
}
