// Package research holds the rules of a rung's recipe competition: recipes are
// registered by hash, build on one another, and one is adopted.
//
// A hash belongs to whoever registered it first. Somebody who copies a hash
// from an unconfirmed transaction could be first, therefore a recipe's file
// names its author and auditors compare. The package sees no recipe files and
// judges none: the organiser adopts, and the author earns the rung's royalty
// (see package revenue).
package research
