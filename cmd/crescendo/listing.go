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

// maybe passes over the absence of a state entry.
func maybe[V any](v V, err error) (V, error) {
	if errors.Is(err, kv.ErrNotFound) {
		err = nil
	}
	return v, err
}

// each visits all entries of a collection below some key parts, in key order.
func each[V any](r kv.Reader, m kv.Map[V], visit func(rest []byte, v V), parts ...any) error {
	for start := []byte(nil); ; {
		page, err := m.List(r, start, kv.MaxPage, parts...)
		if err != nil {
			return err
		}
		for _, e := range page {
			visit(e.Rest, e.Value)
		}
		if len(page) < kv.MaxPage {
			return nil
		}
		start = append(append([]byte{}, page[len(page)-1].Rest...), 0)
	}
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
