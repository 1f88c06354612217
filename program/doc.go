// Package program composes the rules: it is the only door through which
// ledgers run them, and the only rule that knows the others.
//
// It holds the programme (Spec), routes each message to its rule, takes rungs
// from stage to stage and carries facts between rules: a vote that closes a
// round, a settlement that enters the waterfall, a claim that is reinvested.
// It does no arithmetic of its own on losses, receipts or dues.
package program
