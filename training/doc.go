// Package training is the rule of a rung's training: seats and bonds, rounds
// with their phases and deadlines, escrowed pay, expulsion and release.
//
// It is a pure state machine. It does not compute, fetch or judge anything:
// payloads, losses and replays happen elsewhere, votes about them are counted
// in package evaluation, and package program carries facts between the two.
package training
