package wire

import (
	"strconv"
	"strings"

	"github.com/crescendo-network/crescendo"
)

// rungKey is the first attribute of every event of ours on the wire; it also
// tells our events from the SDK's.
const rungKey = "rung"

// EventAttrs returns an event's attributes as they travel: the rung first.
func EventAttrs(e crescendo.Event) []crescendo.Attr {
	attrs := make([]crescendo.Attr, 0, len(e.Attrs)+1)
	attrs = append(attrs, crescendo.Attr{Key: rungKey, Value: strconv.FormatUint(uint64(e.Rung), 10)})
	return append(attrs, e.Attrs...)
}

// ParseEvent undoes EventAttrs; ok is false for the SDK's own events. It drops
// the attribute the SDK appends to say where the event was emitted.
func ParseEvent(kind string, attrs []crescendo.Attr) (e crescendo.Event, ok bool) {
	if !strings.Contains(kind, ".") || len(attrs) == 0 || attrs[0].Key != rungKey {
		return crescendo.Event{}, false
	}
	rung, err := strconv.ParseUint(attrs[0].Value, 10, 32)
	if err != nil {
		return crescendo.Event{}, false
	}
	attrs = attrs[1:]
	if n := len(attrs); n > 0 && (attrs[n-1].Key == "msg_index" || attrs[n-1].Key == "mode") {
		attrs = attrs[:n-1]
	}
	e = crescendo.Event{Kind: kind, Rung: crescendo.RungID(rung)}
	if len(attrs) > 0 {
		e.Attrs = attrs
	}
	return e, true
}
