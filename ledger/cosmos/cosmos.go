// Package cosmos holds the ledger that runs in production: app assembles and
// runs it, x/crescendo is the module with the rules. Its tests are here, in
// one package, because linking the Cosmos SDK takes long.
package cosmos
