// Package corpus turns documents into what models train on, once and for all
// to see. Build reads text (the Go tree's own source, or a directory), holds
// some documents out, trains a tokenizer, and packs the tokens into shards:
// blobs that trainers and auditors read instead of anybody's disk. A manifest
// names the shards, the tokenizer and the licence; its hash, with the Merkle
// root over the shards, goes on the ledger. Open reads a packed corpus and
// gives windows of tokens.
//
// Everything is deterministic: equal documents and options give equal blobs,
// in any order of reading, on any machine.
//
// The package judges no document, and draws no batches: which windows a
// trainer takes is a rule of training. Near-duplicates are not found, only
// exact ones.
package corpus
