package crescendo

import (
	"errors"
	"fmt"
)

// Code sorts errors by what the caller can do about them. Codes travel on the
// wire; the text beside them is for people.
type Code string

// The codes of rule errors.
const (
	CodeInvalid   Code = "invalid"    // malformed; sending it again will not help
	CodeForbidden Code = "forbidden"  // the sender may not do this
	CodeNotFound  Code = "not-found"  // what it refers to does not exist
	CodeWrongTime Code = "wrong-time" // right message, wrong stage or phase
	CodeDuplicate Code = "duplicate"  // it has been done already
	CodeFunds     Code = "funds"      // not enough money or escrow
	CodeInternal  Code = "internal"   // a broken invariant: report it
)

// Error is what a rule answers when it refuses a message. A refused message
// changes nothing.
type Error struct {
	Code Code
	Text string // what was being done and what is wrong
	Hint string // what to do next; may be empty
}

// Error returns the text, without the hint.
func (e *Error) Error() string { return e.Text }

// Errorf makes an Error of the given code.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// WithHint returns the error with a remedy attached.
func (e *Error) WithHint(hint string) *Error {
	c := *e
	c.Hint = hint
	return &c
}

// CodeOf returns the code of the first Error in err's chain, or CodeInternal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
