package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/ledger"
	"github.com/spf13/cobra"
)

// cli carries what all commands share.
type cli struct {
	out, err io.Writer
	json     bool
}

// usageError means the command line was wrong: status 2.
type usageError struct{ text, hint string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) usageError {
	return usageError{text: fmt.Sprintf(format, args...)}
}

func (e usageError) hinted(format string, args ...any) usageError {
	e.hint = fmt.Sprintf(format, args...)
	return e
}

// noArguments is cobra.NoArgs in our voice; it suggests the verb that was
// meant.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := usagef("%s: unknown command %q", cmd.CommandPath(), args[0])
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return err.hinted("did you mean: %s %s", cmd.CommandPath(), near[0])
	}
	return err.hinted("see: %s --help", cmd.CommandPath())
}

// arguments wants exactly the named ones.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return usagef("%s: %d arguments given, want %d: %s", cmd.CommandPath(), len(args), len(names),
			strings.Join(names, " ")).hinted("see: %s --help", cmd.CommandPath())
	}
}

// report prints an error and its remedy.
func (c *cli) report(err error) {
	fmt.Fprintf(c.err, "error: %s\n", oneParagraph(err.Error()))
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(c.err, "hint: %s\n", oneParagraph(hint))
	}
}

func oneParagraph(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ") }

// hintOf finds the remedy an error carries, or knows one.
func hintOf(err error) string {
	var usage usageError
	var rule *crescendo.Error
	switch {
	case errors.As(err, &usage):
		return usage.hint
	case errors.As(err, &rule) && rule.Hint != "":
		return rule.Hint
	case errors.Is(err, ledger.ErrWrongChain):
		return "the address belongs to another programme, --chain-id is wrong, or an archive tells of another chain than the ledger that it names"
	case errors.Is(err, ledger.ErrProof):
		return "do not trust this node; try another, or start from another trusted block"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "is it running? start a programme with: crescendo up"
	case errors.Is(err, syscall.ENOSPC):
		return "free space on the disk, or choose another directory with --home"
	case errors.Is(err, context.DeadlineExceeded):
		return "it took too long; see the logs folder of the home"
	}
	return ""
}

// print writes data: v as JSON with --json, else what text prints.
func (c *cli) print(v any, text func(w writer)) error {
	if c.json {
		enc := json.NewEncoder(c.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	}
	text(c.out)
	return nil
}

// note writes a line for people.
func (c *cli) note(format string, args ...any) { fmt.Fprintf(c.err, format+"\n", args...) }

// listen opens a TCP port; a port in use gets a hint.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, crescendo.Errorf(crescendo.CodeInvalid, "listen on %s: the port is in use", address).
			WithHint("stop what uses it, or choose another with --listen; port 0 takes any free one")
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return l, nil
}

// readFileArg reads a file the user named.
func readFileArg(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, errors.Unwrap(err))
	}
	return data, nil
}
