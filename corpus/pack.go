package corpus

import (
	"github.com/crescendo-network/crescendo/tokenizer"
)

// pack tokenises both splits, stores their shards and completes the manifest.
func (b *builder) pack(m *Manifest, tok *tokenizer.Tokenizer, train, heldOut []document) error {
	total := 0
	for _, docs := range [][]document{train, heldOut} {
		for _, d := range docs {
			total += len(d.text)
		}
	}
	p := &packer{builder: b, m: m, bulk: tok.NewBulk(), separator: tok.Separator(), total: total}
	if err := p.split(Train, train); err != nil {
		return err
	}
	if err := p.split(HeldOut, heldOut); err != nil {
		return err
	}
	m.Root = Root(m.leaves())
	return nil
}

type packer struct {
	*builder
	m           *Manifest
	bulk        *tokenizer.Bulk
	separator   int32
	done, total int // bytes of text
	shard       []uint16
}

// split packs the documents one after the other, a separator before each.
func (p *packer) split(s Split, docs []document) error {
	part := p.m.Part(s)
	part.Shards = []ShardName{}
	if len(docs) > maxDocuments {
		return unusable("join short texts to longer documents", "%s: %d documents, limit %d", s, len(docs), maxDocuments)
	}
	index := Index{Split: s, Documents: make([]Document, 0, len(docs))}
	p.shard = make([]uint16, 0, p.o.ShardTokens)
	var ids []int32
	for _, d := range docs {
		ids = p.bulk.AppendEncode(append(ids[:0], p.separator), d.text)
		index.Documents = append(index.Documents, Document{Path: d.path, Hash: d.hash, Bytes: len(d.text), First: index.Tokens})
		index.Tokens += int64(len(ids))
		part.Documents++
		part.Bytes += int64(len(d.text))
		for _, id := range ids {
			p.shard = append(p.shard, uint16(id))
			if len(p.shard) == p.o.ShardTokens {
				if err := p.store(s, part); err != nil {
					return err
				}
			}
		}
		p.done += len(d.text)
	}
	if len(p.shard) > 0 {
		if err := p.store(s, part); err != nil {
			return err
		}
	}
	var err error
	part.Index, err = p.o.Store.Put(p.ctx, index.Encode())
	return err
}

func (p *packer) store(s Split, part *Part) error {
	if len(part.Shards) == maxShards {
		return unusable("raise the shard size", "%s: more than %d shards", s, maxShards)
	}
	shard := Shard{Split: s, Index: len(part.Shards), Vocab: p.m.Vocab, Tokenizer: p.m.Tokenizer, Tokens: p.shard}
	h, err := p.o.Store.Put(p.ctx, shard.Encode())
	if err != nil {
		return err
	}
	part.Shards = append(part.Shards, ShardName{Blob: h, Tokens: len(p.shard)})
	part.Tokens += int64(len(p.shard))
	p.shard = p.shard[:0]
	p.progress("pack", p.done, p.total)
	return nil
}
