package main

import (
	"errors"
	"io"
	"strings"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

type writer = io.Writer

// missing turns the absence of a state entry into words.
func missing(err error, format string, args ...any) error {
	if errors.Is(err, kv.ErrNotFound) {
		return crescendo.Errorf(crescendo.CodeNotFound, format, args...).
			WithHint("`crescendo program show` says where every rung stands")
	}
	return err
}

// each visits all entries of a collection below some key parts, in key order.
func each[V any](r kv.Reader, m kv.Map[V], visit func(rest []byte, v V), parts ...any) error {
	return m.Each(r, func(e kv.Entry[V]) error { visit(e.Rest, e.Value); return nil }, parts...)
}

// accountPart reads an account at the beginning of a key.
func accountPart(rest []byte) crescendo.Account {
	account, _, _ := strings.Cut(string(rest), "\x00")
	return crescendo.Account(account)
}

// hashPart reads a hash at the beginning of a key.
func hashPart(rest []byte) (h crescendo.Hash) {
	copy(h[:], rest)
	return h
}
