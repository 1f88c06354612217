package wire

import (
	"regexp"
	"strings"

	"github.com/crescendo-network/crescendo"
)

// Codespace qualifies the error numbers of rules. Other codespaces are the
// SDK's.
const Codespace = "crescendo"

// codes gives each error code its number on the wire. Number 1 is taken by
// the SDK for what has no number.
var codes = []crescendo.Code{
	2: crescendo.CodeInvalid,
	3: crescendo.CodeForbidden,
	4: crescendo.CodeNotFound,
	5: crescendo.CodeWrongTime,
	6: crescendo.CodeDuplicate,
	7: crescendo.CodeFunds,
	8: crescendo.CodeInternal,
}

// sdkCodes says what errors of the codespace "sdk" are to us.
var sdkCodes = map[uint32]crescendo.Code{
	2:  crescendo.CodeInvalid,   // transaction does not parse
	4:  crescendo.CodeForbidden, // unauthorized, wrong signature
	5:  crescendo.CodeFunds,
	6:  crescendo.CodeInvalid, // unknown request
	7:  crescendo.CodeInvalid, // invalid address
	8:  crescendo.CodeForbidden,
	9:  crescendo.CodeNotFound, // unknown account
	10: crescendo.CodeFunds,
	13: crescendo.CodeFunds, // fee
	18: crescendo.CodeInvalid,
	21: crescendo.CodeInvalid, // too large
}

// SDK error numbers that clients handle themselves.
const (
	SDKCodespace     = "sdk"
	SDKWrongSequence = 32
	SDKTxInMempool   = 19
	SDKMempoolFull   = 20
)

// CodeNumber returns the number of a code.
func CodeNumber(code crescendo.Code) uint32 {
	for n, c := range codes {
		if c == code {
			return uint32(n)
		}
	}
	return 8
}

const hintMark = "\nhint: "

// ErrorLog returns the text that carries an Error in a transaction result.
func ErrorLog(e *crescendo.Error) string {
	if e.Hint == "" {
		return e.Text
	}
	return e.Text + hintMark + e.Hint
}

// sdkHints are the remedies for refusals of the Cosmos SDK itself, by code.
var sdkHints = map[uint32]string{
	2: "the bytes are no transaction of this ledger: sign the message with `crescendo`",
	4: "it was signed with another key, for another chain, or has been included already",
	5: "the account holds less than that: `crescendo wallet show` says how much",
	9: "an account exists once it has received money",
}

// executePrefix is what the SDK puts before the text of a failed message.
var executePrefix = regexp.MustCompile(`^failed to execute message; message index: \d+: `)

// ParseError makes the Error of a transaction result with a non-zero code.
func ParseError(codespace string, code uint32, log string) *crescendo.Error {
	log = executePrefix.ReplaceAllString(log, "")
	e := &crescendo.Error{Code: crescendo.CodeInternal}
	e.Text, e.Hint, _ = strings.Cut(log, hintMark)
	switch {
	case codespace == Codespace && int(code) < len(codes) && codes[code] != "":
		e.Code = codes[code]
	case codespace == SDKCodespace && sdkCodes[code] != "":
		e.Code = sdkCodes[code]
		if e.Hint == "" {
			e.Hint = sdkHints[code]
		}
	}
	return e
}
