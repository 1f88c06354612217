// Package research holds the rules of a rung's recipe: how one is chosen, and
// who is paid for it.
//
// Where a programme has a competition, recipes are committed to and shown;
// runners, drawn by lot, try them in halving stages and must agree; the best one
// is adopted if it beats the programme's own beyond chance. Seasons are such
// competitions for newcomers, evaluation tasks are judged beside. Where there is
// none, recipes are registered by their hashes, and the organiser adopts one. A
// bare hash belongs to whoever registered it first; a recipe that is shown names
// its author, and overrules that.
//
// The package trains nothing and reads no files: it ranks what runners report
// (see research/trial). Whether a recipe fits a rung's budget, and what is paid
// out of the purse, is for package program.
package research
