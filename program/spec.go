package program

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/research"
)

// Spec is a programme: its ladder, budgets and policies. It stands in the
// genesis of the ledger; nothing in it changes afterwards. Fractions are in
// basis points (1/10000) or millionths, as the names say.
type Spec struct {
	Name       string            `pb:"1" yaml:"name"`
	Denom      string            `pb:"2" yaml:"denom"` // smallest unit of the settlement money, e.g. "udemo"
	Organiser  crescendo.Account `pb:"3" yaml:"-"`
	Corpus     Corpus            `pb:"4" yaml:"corpus"`
	Evaluation Evaluation        `pb:"5" yaml:"evaluation"`
	Simulated  bool              `pb:"6" yaml:"-"` // sim evidence is acceptable: only on crescendo-dev-* chains
	Rungs      []Rung            `pb:"7" yaml:"rungs"`
	Governance Governance        `pb:"8" yaml:"governance"`              // without it holders do not vote
	Funnel     Funnel            `pb:"9" yaml:"funnel" json:",omitzero"` // how many researchers the ladder begins and ends with
}

// Corpus says what text the organiser packs. Source "go" is the Go tree's own
// source and documentation.
type Corpus struct {
	Source          string `pb:"1" yaml:"source"`
	MaxBytes        uint64 `pb:"2" yaml:"max-bytes"` // 0: everything
	Vocabulary      uint32 `pb:"3" yaml:"vocabulary"`
	HeldOutPerMille uint32 `pb:"4" yaml:"held-out-per-mille"`
}

// Evaluation says how rounds are judged.
type Evaluation struct {
	MinEvaluators uint32           `pb:"1" yaml:"min-evaluators"`
	Bond          crescendo.Amount `pb:"2" yaml:"bond"`
	Sequences     uint32           `pb:"3" yaml:"sequences"` // held-out sequences scored per round
}

// Rung is one model of the ladder.
type Rung struct {
	Name      string    `pb:"1" yaml:"name"`
	Model     Model     `pb:"2" yaml:"model"`
	Raise     Raise     `pb:"3" yaml:"raise"`
	Training  Training  `pb:"4" yaml:"training"`
	Sealing   Sealing   `pb:"5" yaml:"sealing"`
	Inference Inference `pb:"6" yaml:"inference"`
	Revenue   Revenue   `pb:"7" yaml:"revenue"`

	// Competition decides which recipe the rung is trained with. Zero: the
	// organiser does.
	Competition research.Terms `pb:"8" yaml:"competition"`

	// Start says what the first checkpoint is made of. Zero: the rung's seed.
	Start Start `pb:"9" yaml:"start"`

	// Season is the competition of newcomers that opens with the raise of a later
	// rung, at the first rung's model and budget. Zero: there is none.
	Season research.Terms `pb:"10" yaml:"season" json:",omitzero"`
}

// Model is a Llama-family shape. The vocabulary is the corpus's.
type Model struct {
	Dim     uint32 `pb:"1" yaml:"dim"`
	Layers  uint32 `pb:"2" yaml:"layers"`
	Heads   uint32 `pb:"3" yaml:"heads"`
	KVHeads uint32 `pb:"4" yaml:"kv-heads"`
	FFN     uint32 `pb:"5" yaml:"ffn"`
	Context uint32 `pb:"6" yaml:"context"`
	Tied    bool   `pb:"7" yaml:"tied"`
	Vocab   uint32 `pb:"8" yaml:"vocab"` // 0: the corpus's vocabulary

	// What models made elsewhere may have. The zero values are a plain model.
	QKVBias           bool        `pb:"9" yaml:"qkv-bias" json:",omitzero"`             // biases on queries, keys and values
	RopeTheta         uint32      `pb:"10" yaml:"rope-theta" json:",omitzero"`          // 0: DefaultRopeTheta
	NormEpsBillionths uint32      `pb:"11" yaml:"norm-eps-billionths" json:",omitzero"` // 0: DefaultNormEps
	RopeScaling       RopeScaling `pb:"12" yaml:"rope-scaling" json:",omitzero"`
	OutBias           bool        `pb:"13" yaml:"out-bias" json:",omitzero"` // a bias on what attention adds
	FFNBias           bool        `pb:"14" yaml:"ffn-bias" json:",omitzero"` // biases in the feed-forward

	// A mixture of experts: each layer has Experts feed-forwards of width FFN, and
	// a router sends every token to ExpertsPerToken of them. Zero: a plain model.
	Experts           uint32 `pb:"15" yaml:"experts" json:",omitzero"`
	ExpertsPerToken   uint32 `pb:"16" yaml:"experts-per-token" json:",omitzero"`
	BalanceMillionths uint32 `pb:"17" yaml:"balance-millionths" json:",omitzero"` // of the loss for uneven use; 0: none
}

// Raise is a fixed-price sale: one share costs one unit.
type Raise struct {
	SoftCap crescendo.Amount `pb:"1" yaml:"soft-cap"`
	HardCap crescendo.Amount `pb:"2" yaml:"hard-cap"`
	Blocks  uint64           `pb:"3" yaml:"blocks"` // open for this many blocks
}

// Training is a rung's budget of work and its deadlines. The purse is what
// was raised; TrainersBP of it pays verified work, EvaluatorsBP evaluators,
// OperatorBP the sealing vault. The rest, and what is not earned, goes to the
// treasury of the next rung.
type Training struct {
	Rounds        uint32               `pb:"1" yaml:"rounds"`
	Steps         uint32               `pb:"2" yaml:"steps"`     // inner steps per round
	Sequences     uint32               `pb:"3" yaml:"sequences"` // per step
	Eager         uint32               `pb:"4" yaml:"eager"`     // steps a trainer does before the new base is known
	MinTrainers   uint32               `pb:"5" yaml:"min-trainers"`
	Seats         uint32               `pb:"6" yaml:"seats"`
	Keep          uint32               `pb:"7" yaml:"keep"` // how many go on to the next rung
	Codec         string               `pb:"8" yaml:"codec"`
	Probation     uint32               `pb:"9" yaml:"probation"` // a trainer's first rounds are all replayed
	AuditPerMille uint32               `pb:"10" yaml:"audit-per-mille"`
	Bond          crescendo.Amount     `pb:"11" yaml:"bond"`
	CommitBlocks  uint64               `pb:"12" yaml:"commit-blocks"`
	RevealBlocks  uint64               `pb:"13" yaml:"reveal-blocks"`
	VoteBlocks    uint64               `pb:"14" yaml:"vote-blocks"`
	TrainersBP    uint32               `pb:"15" yaml:"trainers-bp"`
	EvaluatorsBP  uint32               `pb:"16" yaml:"evaluators-bp"`
	OperatorBP    uint32               `pb:"17" yaml:"operator-bp"`
	Optimizer     Optimizer            `pb:"18" yaml:"optimizer"`
	Mix           []research.MixWeight `pb:"19" yaml:"mix"`                     // empty: all documents alike
	Filter        research.Filter      `pb:"20" yaml:"filter" json:",omitzero"` // zero: no document is refused
	Shard         crescendo.Hash       `pb:"21" yaml:"-" json:",omitzero"`      // text that the adopted recipe contributed
	Tokenizer     research.Tokenizer   `pb:"22" yaml:"-" json:",omitzero"`      // zero: the programme's
}

// Optimizer is the inner optimizer; the names say the unit.
type Optimizer struct {
	Kind                  string `pb:"1" yaml:"kind"`
	LRMillionths          uint32 `pb:"2" yaml:"lr-millionths"`
	MatrixLRMillionths    uint32 `pb:"3" yaml:"matrix-lr-millionths"`
	Beta1Millionths       uint32 `pb:"4" yaml:"beta1-millionths"`
	Beta2Millionths       uint32 `pb:"5" yaml:"beta2-millionths"`
	WeightDecayMillionths uint32 `pb:"6" yaml:"weight-decay-millionths"`
	MomentumMillionths    uint32 `pb:"7" yaml:"momentum-millionths"`
	ClipMillionths        uint32 `pb:"8" yaml:"clip-millionths"`
	WarmupBP              uint32 `pb:"9" yaml:"warmup-bp"`
	FinalBP               uint32 `pb:"10" yaml:"final-bp"`
	Schedule              string `pb:"11" yaml:"schedule"` // empty: cosine
}

// Weights policies.
const (
	Open              = "open"
	SealedUntilRepaid = "sealed-until-repaid"
	Sealed            = "sealed"
)

// Sealing says who may see the finished weights, and what the vault adds.
type Sealing struct {
	Policy     string `pb:"1" yaml:"policy"`
	FinalSteps uint32 `pb:"2" yaml:"final-steps"` // done inside the vault; no delta is published
	OpenBlocks uint64 `pb:"3" yaml:"open-blocks"` // open this many blocks after sealing at the latest; 0: never by date
}

// Inference prices are per thousand tokens; a request costs
// ceil(tokens*price/1000) for each of the two kinds.
type Inference struct {
	InputPrice  crescendo.Amount `pb:"1" yaml:"input-price"`
	OutputPrice crescendo.Amount `pb:"2" yaml:"output-price"`
	GraceBlocks uint64           `pb:"3" yaml:"grace-blocks"`
	Weights     string           `pb:"4" yaml:"weights" json:",omitzero"` // zero: float32; inference.WeightsQ8
}

// Revenue is the waterfall. OperatorsBP comes off first. Of the rest,
// HoldersBP goes to holders until they have had HoldersCapBP of what they
// paid, ContributorsBP to contributors (RoyaltyBP of that to the adopted
// recipe's author), and what is left to the next rung's treasury. Once the
// cap is reached the holders' part goes to the treasury as well. Rounding
// leftovers stay in the rung's pot as the remainder and join the next payment.
type Revenue struct {
	OperatorsBP    uint32 `pb:"1" yaml:"operators-bp"`
	HoldersBP      uint32 `pb:"2" yaml:"holders-bp"`
	HoldersCapBP   uint32 `pb:"3" yaml:"holders-cap-bp"`
	ContributorsBP uint32 `pb:"4" yaml:"contributors-bp"`
	RoyaltyBP      uint32 `pb:"5" yaml:"royalty-bp"`
}
