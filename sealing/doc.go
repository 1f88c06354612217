// Package sealing is the rule of vaults, keepers and keys: which enclaves the
// policy accepts, who has sealed which model, who asked for its key, and when
// the key may be published.
//
// It sees no key but a published one, and opens no evidence: an Appraiser
// does that and is passed in. Handing keys over is the work of keepers, which
// act on final state.
package sealing
