package hub

import "github.com/crescendo-network/crescendo/role/hub/page"

// terms are the words that the hub's pages use. docs/glossary.md has them all.
var terms = []page.Term{
	{ID: "programme", Word: "programme", Meaning: "A ladder of models with its budgets and policies, fixed in the genesis of its ledger."},
	{ID: "rung", Word: "rung", Meaning: "One model of the ladder, from its raise to its opening."},
	{ID: "raise", Word: "raise", Meaning: "The fixed-price sale of a rung's shares: soft cap, hard cap, deadline, refund when the soft cap is missed."},
	{ID: "purse", Word: "purse", Meaning: "What a rung's raise brought. It leaves only for verified work."},
	{ID: "share", Word: "share", Meaning: "A claim on a rung's revenue, one per unit paid. It cannot be transferred."},
	{ID: "round", Word: "round", Meaning: "One outer step: every trainer works from the same base, their deltas are averaged into the next checkpoint."},
	{ID: "commit-reveal", Word: "commit, reveal", Meaning: "First the hash of what one did, then the thing itself, so that nobody can copy."},
	{ID: "payload", Word: "payload", Meaning: "What a trainer changed in a round, encoded with 2 bits per parameter."},
	{ID: "gain", Word: "gain", Meaning: "By how much a payload lowers the loss on held-out text that was drawn after it was revealed."},
	{ID: "bits-per-byte", Word: "bits per byte", Meaning: "How many bits the model needs for a byte of text it has not seen: its loss, whatever its tokenizer. " +
		"The curve shows the loss of each round's base on the text drawn for that round, at the mean length of the held-out text's tokens. Lower is better."},
	{ID: "bigram", Word: "bigram", Meaning: "A model that knows only which byte follows which. A language model has to beat it."},
	{ID: "gzip", Word: "gzip", Meaning: "What everybody's compression program needs for the same text."},
	{ID: "window", Word: "window, replay", Meaning: "One trainer's round as a unit of audit. A replay does its steps again and compares every bit."},
	{ID: "escrow", Word: "escrow", Meaning: "Pay earned and not yet released; burned if an audit finds a fault."},
	{ID: "dense", Word: "dense training", Meaning: "Data-parallel training that uploads a float32 gradient for every parameter in every step: what moved bytes are compared with."},
	{ID: "evaluator", Word: "evaluator", Meaning: "Attests availability, scores, aggregates, votes, replays. Honest votes are equal bit for bit."},
	{ID: "vault", Word: "vault", Meaning: "The program that alone sees finished weights and prompts; measured and attested."},
	{ID: "profile-q8", Word: "profile q8", Meaning: "A way to compute answers with weights of 8 bits, a quarter of the memory, which the programme may choose for a rung. " +
		"Its bits are its own and the same on every machine; nothing is trained or audited with it. What is not said to be q8 is profile R0, float32."},
	{ID: "simulated", Word: "simulated", Meaning: "An imitation of an enclave on development chains: the operator can read everything."},
	{ID: "waterfall", Word: "waterfall", Meaning: "How income is split: vault operators, holders up to the cap, contributors, the next rung."},
	{ID: "sealed-until-repaid", Word: "sealed until repaid", Meaning: "The default weights policy: open when holders have had their cap, or at a date."},
	{ID: "supply-error", Word: "supply error", Meaning: "What all accounts and pots hold, plus what faults have burned, less what genesis gave out. It is zero, or something is very wrong."},
	{ID: "demo-actor", Word: "demo actor", Meaning: "A funder, trainer, free rider or client that `crescendo up` plays. It is always labelled."},
}

func glossary() page.Document {
	return page.Document{Title: "Glossary", Lead: "The words of this site.", Sections: []page.Section{{ID: "words", Title: "Words", Terms: terms}}}
}
