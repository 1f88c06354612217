// Package browsertest looks at the hub as people do: its tests start a real
// programme on this machine, open the hub in Chromium and use it. They find
// what no other test can see: that a round arrives on a page nobody reloads,
// that nothing is fetched from elsewhere, that pages can be read without
// JavaScript, by keyboard and by screen readers, that forms do what they say.
//
// What figures are right is other tests' business. The package holds nothing
// but tests; they need CRESCENDO_BIN, the folder of the three programs, and
// Chromium: make browser-test. testdata has axe-core, which is used as it is
// and not linked into anything (MPL-2.0, its licence is beside it).
package browsertest
