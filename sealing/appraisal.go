package sealing

// Appraisal is what evidence proves, as the appraiser found it.
type Appraisal struct {
	Kind        string // "sim", "tdx", ...
	Assurance   string // for people: who could still read the vault's memory
	Measurement []byte // of the program inside
	Trust       Trust  // where the program began to believe the ledger
}

// An Appraiser judges evidence: is it genuine, and does it carry binding as
// its report data? It is a pure function of its arguments, the same on every
// validator. Simulated evidence is genuine only where it is allowed.
type Appraiser func(evidence, binding []byte, simulatedAllowed bool, chainID string, now int64) (Appraisal, error)
