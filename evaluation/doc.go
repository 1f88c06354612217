// Package evaluation is the rule of judging trainers' work: evaluators and
// their bonds, panels, votes about a round, replays of drawn windows and the
// ranking of a finished rung.
//
// It counts what evaluators say; it computes no losses and replays nothing
// itself. What follows from a vote or a verdict for money and seats is up to
// package training, to which package program carries it.
package evaluation
