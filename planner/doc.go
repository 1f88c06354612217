// Package planner reckons what the rungs of a programme take: tokens,
// operations, GPU-hours, money, memory, bytes on the wire, days. It is
// arithmetic over program.Spec and a list of assumptions, each with a name,
// bounds and a source, and rests on planner/pipeline for the share of time
// that sites wait for links and for each other.
//
// It sees no clock and no machine: the same inputs give the same plan
// everywhere. It predicts no losses, and promises nothing. What fits the
// machine at hand is node/plan's question.
package planner
