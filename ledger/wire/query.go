package wire

// Bounds on one range query.
const (
	MaxRange      = 1024
	MaxRangeBytes = 700 << 10 // of an answer; below what canon decodes
)

// RangeRequest is the data of a query to RangePath.
type RangeRequest struct {
	Prefix []byte `pb:"1"`
	Start  []byte `pb:"2"`
	Limit  uint32 `pb:"3"`
}

// ProofOp is one step of a proof, as CometBFT's queries return them.
type ProofOp struct {
	Type string `pb:"1"`
	Key  []byte `pb:"2"`
	Data []byte `pb:"3"`
}

// ProvedEntry is one entry of the rule store.
type ProvedEntry struct {
	Key   []byte    `pb:"1"`
	Value []byte    `pb:"2"` // as stored
	Proof []ProofOp `pb:"3"`
}

// RangeResponse answers a RangeRequest; More means that the answer was cut
// short because of its size.
type RangeResponse struct {
	Entries []ProvedEntry `pb:"1"`
	More    bool          `pb:"2"`
}

// WaitPath is where a node answers, beside its RPC, once it has committed the
// height that the query names, or after a few seconds. The answer is a
// WaitAnswer in JSON.
const WaitPath = "/crescendo/wait"

// WaitAnswer tells the newest committed height.
type WaitAnswer struct {
	Height int64 `json:"height"`
}
