// Package funding holds the rules of a raise: fixed price, soft and hard cap,
// escrow, pull refunds, and a purse that only verified work may draw on.
//
// One share costs one unit. The money waits in the pot "@funding/<rung>". When
// the raise succeeds the pot becomes the rung's purse; when it fails, or the
// rung is halted, what has not been drawn is refunded. Rounding of a partial
// refund is down, so at most one unit per holder stays in the pot.
//
// The package does not know what work is verified, nor who may halt a rung:
// program decides that and calls Draw and Halt.
package funding
