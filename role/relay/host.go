package relay

import (
	"context"
	"errors"
	"io"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
	"github.com/crescendo-network/crescendo/role/vault/calls"
	"github.com/crescendo-network/crescendo/role/vault/proof"
	"github.com/crescendo-network/crescendo/role/vault/wire"
)

// maxBlob bounds a blob that the vault may ask for or give.
const maxBlob = 64 << 30

// serve answers the vault.
func (h *host) serve(ctx context.Context, method string, raw []byte, s *wire.Stream) error {
	switch method {
	case calls.Prove:
		var a calls.ProveArgs
		if err := canon.Decode(raw, &a); err != nil {
			return err
		}
		if len(a.Keys) > proof.MaxEntries {
			return crescendo.Errorf(crescendo.CodeInvalid, "proof of %d entries, limit %d", len(a.Keys), proof.MaxEntries)
		}
		bundle, err := h.relay.cfg.Prover.Prove(ctx, a.Keys, a.After)
		if err != nil {
			return err
		}
		return s.SendAll(bundle)
	case calls.Get:
		var a calls.GetArgs
		if err := canon.Decode(raw, &a); err != nil {
			return err
		}
		data, err := h.relay.cfg.Blobs.Get(ctx, a.Hash, int64(min(a.Max, maxBlob)))
		if err != nil {
			return err
		}
		return s.SendAll(data)
	case calls.Put:
		return h.put(ctx, raw, s)
	case calls.Receipt:
		var a calls.ReceiptArgs
		if err := canon.Decode(raw, &a); err != nil {
			return err
		}
		return h.relay.store.keep(a)
	}
	return crescendo.Errorf(crescendo.CodeNotFound, "the host has no method %.64q", method)
}

func (h *host) put(ctx context.Context, raw []byte, s *wire.Stream) error {
	var a calls.PutArgs
	if err := canon.Decode(raw, &a); err != nil {
		return err
	}
	if a.Size == 0 || a.Size > maxBlob {
		return crescendo.Errorf(crescendo.CodeInvalid, "blob of %d bytes, want 1 to %d", a.Size, int64(maxBlob))
	}
	var data []byte
	for {
		part, err := s.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if data = append(data, part...); uint64(len(data)) > a.Size {
			return crescendo.Errorf(crescendo.CodeInvalid, "blob is larger than announced")
		}
	}
	got, err := h.relay.cfg.Blobs.Put(ctx, data)
	if err == nil && got != a.Hash {
		err = crescendo.Errorf(crescendo.CodeInvalid, "blob is not the one announced")
	}
	return err
}
