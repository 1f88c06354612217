package xcrescendo

import (
	"errors"

	nouns "github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger/wire"
)

// refusal carries a rule's error through the SDK: its methods tell the SDK
// codespace, number and text of the transaction result.
type refusal struct{ err *nouns.Error }

// Error returns the text with the hint.
func (r refusal) Error() string { return wire.ErrorLog(r.err) }

// Unwrap returns the rule's error.
func (r refusal) Unwrap() error { return r.err }

// ABCICode is called by the SDK.
func (r refusal) ABCICode() uint32 { return wire.CodeNumber(r.err.Code) }

// Codespace is called by the SDK.
func (r refusal) Codespace() string { return wire.Codespace }

func refusalOf(err error) error {
	var e *nouns.Error
	if !errors.As(err, &e) {
		e = nouns.Errorf(nouns.CodeInternal, "%v", err)
	}
	return refusal{e}
}

// Refuse gives an error the form in which the SDK reports it.
func Refuse(err error) error {
	var e *nouns.Error
	if !errors.As(err, &e) {
		e = nouns.Errorf(nouns.CodeInvalid, "%v", err)
	}
	return refusal{e}
}
