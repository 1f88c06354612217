// Package revenue holds the rules that share out what a rung's sessions have
// paid: vault operators first, then holders up to their cap, contributors, and
// the treasury of the next rung.
//
// One payment costs the same work however many people share it: it raises
// totals, and each account's due follows from its shares and points when it
// claims. Everything is rounded down for the claimant; over the whole life of
// a rung at most one unit per holder and one per contributor is never claimed
// and stays in the rung's pot, counted as holders' and contributors' money.
// What splitting a payment leaves over (at most two units) is the book's
// remainder and joins the next payment.
//
// The package does not know sessions, shares or scores; program passes them.
package revenue
