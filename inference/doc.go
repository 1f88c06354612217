// Package inference holds the rules of paid sessions: a client's escrow with
// one vault, moved to revenue by the vault's hash-chained receipts and by
// nothing else.
//
// A receipt totals what the session has used since it began. It must follow
// the last settled receipt without a gap, be signed by the vault, and charge
// the posted price: a request costs ceil(input*price/1000) plus
// ceil(output*price/1000). A receipt that covers one request is checked to the
// unit; one that covers n requests to within 2*(n-1) units, because totals do
// not tell how often was rounded up.
//
// The package does not know vaults, prices or what answers are computed with:
// program looks them up and passes Terms. It does not split revenue; see package revenue.
package inference
