// Package governance holds the rules by which the holders of a rung vote: on
// halting it, and on statements that decide nothing but stand on record.
//
// A holder proposes and leaves a deposit in the pot "@governance/<rung>". From
// then on every vote weighs as many shares as its sender held when the
// proposal was made: shares cannot be transferred, so only those bought later
// have to be subtracted, and Bought notes them. A vote may be changed until
// the deadline. At the deadline the proposal is rejected unless enough shares
// voted and enough of those said yes. The deposit goes back when enough voted,
// whatever they said, and to the treasury otherwise.
//
// The package sees neither shares nor stages: program says what the sender's
// shares weigh and how many may vote at all, and carries out what is decided.
package governance
