package crescendo

// Env is all a rule may know of the world besides its store and its message.
type Env struct {
	ChainID string
	Height  Height
	Time    int64 // block time, Unix seconds; for display and dated policies only
	Beacon  Hash  // unpredictable before this block: on development chains, the hash of the previous one
}

// Message asks for one change of state. Its exported fields carry pb tags and
// match the protobuf message that TypeURL names, field by field; field 1 is
// always the sender, whose signature the ledger has checked.
type Message interface {
	TypeURL() string // "/crescendo.funding.v1.MsgContribute"
	From() Account
	// Check refuses what is malformed whatever the state.
	Check() error
}

// Outcome is what a rule wants done once its writes are kept.
type Outcome struct {
	Events    []Event
	Transfers []Transfer
}

// Emit adds an event.
func (o *Outcome) Emit(e Event) { o.Events = append(o.Events, e) }

// Pay adds a transfer; nothing is added for a zero amount.
func (o *Outcome) Pay(from, to Account, amount Amount) {
	if amount > 0 {
		o.Transfers = append(o.Transfers, Transfer{from, to, amount})
	}
}

// Join appends what another rule wants done.
func (o *Outcome) Join(other Outcome) {
	o.Events = append(o.Events, other.Events...)
	o.Transfers = append(o.Transfers, other.Transfers...)
}
