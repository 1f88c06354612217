package light

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/canon"
)

// maxBlock bounds an archived block.
const maxBlock = 64 << 20

// Block is a whole block with its results, as archives keep it. The header
// proves the transactions; the next header proves codes and gas of their
// results. Events and logs are not proved: they follow from executing the
// transactions again.
type Block struct {
	Signed     SignedHeader
	Validators []Validator
	Txs        [][]byte
	Results    []Result          // one per transaction
	EndEvents  []crescendo.Event // of the end of the block
}

// Result is what became of a transaction.
type Result struct {
	Code      uint32 // zero: carried out
	Data      []byte
	GasWanted int64
	GasUsed   int64
	Codespace string
	Log       string
	Events    []crescendo.Event
}

// Verify checks that the transactions are the header's. That the header is
// the chain's is for Client.Verify to check.
func (b Block) Verify() error {
	if !bytes.Equal(TxsHash(b.Txs), b.Signed.Header.DataHash) {
		return fmt.Errorf("%w: transactions are not those of block %d", ErrInvalid, b.Signed.Header.Height)
	}
	if len(b.Results) != len(b.Txs) {
		return fmt.Errorf("%w: %d results of %d transactions", ErrInvalid, len(b.Results), len(b.Txs))
	}
	return nil
}

// ResultsHash returns what the next header's LastResultsHash must be.
func (b Block) ResultsHash() []byte {
	leaves := make([][]byte, len(b.Results))
	for i, r := range b.Results {
		leaf := appendBytes(appendUint(nil, 1, uint64(r.Code)), 2, r.Data)
		leaves[i] = appendUint(appendUint(leaf, 5, uint64(r.GasWanted)), 6, uint64(r.GasUsed))
	}
	return merkle(leaves)
}

// The encoding is a sequence of protobuf fields, each canonical by itself.
type (
	validatorList struct {
		Validators []Validator `pb:"1"`
	}
	resultRecord struct {
		Code      uint32        `pb:"1"`
		Data      []byte        `pb:"2"`
		GasWanted int64         `pb:"3"`
		GasUsed   int64         `pb:"4"`
		Codespace string        `pb:"5"`
		Log       string        `pb:"6"`
		Events    []eventRecord `pb:"7"`
	}
	eventRecord struct {
		Kind  string       `pb:"1"`
		Rung  uint32       `pb:"2"`
		Attrs []attrRecord `pb:"3"`
	}
	attrRecord struct {
		Key   string `pb:"1"`
		Value string `pb:"2"`
	}
)

// Encode returns the block's canonical bytes.
func (b Block) Encode() []byte {
	out := appendMessage(nil, 1, canon.Encode(b.Signed))
	out = appendMessage(out, 2, canon.Encode(validatorList{b.Validators}))
	for _, tx := range b.Txs {
		out = appendMessage(out, 3, tx)
	}
	for _, r := range b.Results {
		rec := resultRecord{r.Code, r.Data, r.GasWanted, r.GasUsed, r.Codespace, r.Log, nil}
		for _, e := range r.Events {
			rec.Events = append(rec.Events, record(e))
		}
		out = appendMessage(out, 4, canon.Encode(rec))
	}
	for _, e := range b.EndEvents {
		out = appendMessage(out, 5, canon.Encode(record(e)))
	}
	return out
}

// DecodeBlock reads what Encode wrote and nothing else.
func DecodeBlock(raw []byte) (Block, error) {
	var b Block
	if len(raw) > maxBlock {
		return b, fmt.Errorf("decode block: %d bytes, at most %d", len(raw), maxBlock)
	}
	if err := b.parse(raw); err != nil {
		return b, fmt.Errorf("decode block: %w", err)
	}
	if !bytes.Equal(b.Encode(), raw) {
		return b, fmt.Errorf("decode block: %w", canon.ErrNotCanonical)
	}
	return b, nil
}

func (b *Block) parse(raw []byte) error {
	return fields(raw, func(num protowire.Number, _ uint64, part []byte) error {
		switch num {
		case 1:
			return canon.Decode(part, &b.Signed)
		case 2:
			var list validatorList
			err := canon.Decode(part, &list)
			b.Validators = list.Validators
			return err
		case 3:
			b.Txs = append(b.Txs, part)
			return nil
		case 4:
			var rec resultRecord
			if err := canon.Decode(part, &rec); err != nil {
				return err
			}
			r := Result{rec.Code, rec.Data, rec.GasWanted, rec.GasUsed, rec.Codespace, rec.Log, nil}
			for _, e := range rec.Events {
				r.Events = append(r.Events, e.event())
			}
			b.Results = append(b.Results, r)
			return nil
		case 5:
			var rec eventRecord
			err := canon.Decode(part, &rec)
			b.EndEvents = append(b.EndEvents, rec.event())
			return err
		}
		return fmt.Errorf("unknown field %d", num)
	})
}

func record(e crescendo.Event) eventRecord {
	r := eventRecord{Kind: e.Kind, Rung: uint32(e.Rung)}
	for _, a := range e.Attrs {
		r.Attrs = append(r.Attrs, attrRecord(a))
	}
	return r
}

func (r eventRecord) event() crescendo.Event {
	e := crescendo.Event{Kind: r.Kind, Rung: crescendo.RungID(r.Rung)}
	for _, a := range r.Attrs {
		e.Attrs = append(e.Attrs, crescendo.Attr(a))
	}
	return e
}
