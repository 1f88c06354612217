package planner

// Ladder is the plan of a programme. Dollars stand for the unit of its
// settlement money: a million of the smallest unit.
type Ladder struct {
	Programme        string      `json:"programme"`
	TotalDollars     float64     `json:"total_dollars"`
	AnnouncedDollars float64     `json:"announced_dollars"`
	RaiseDollars     float64     `json:"raise_dollars"` // all hard caps
	MoEDollars       float64     `json:"moe_dollars"`   // the same ladder, every rung a mixture of experts
	GPUHours         float64     `json:"gpu_hours"`
	FLOPs            float64     `json:"flops"`
	Assumptions      Assumptions `json:"assumptions"`
	Rungs            []Rung      `json:"rungs"`
}

// Rung is the plan of one model. What is per round or of a site is of one site.
type Rung struct {
	Rung       int     `json:"rung"`
	Name       string  `json:"name"`
	Parameters uint64  `json:"parameters"`
	Tokens     uint64  `json:"tokens"` // the programme's: every seat in every round
	FLOPs      float64 `json:"flops"`  // of training; evaluation comes on top
	GPUHours   float64 `json:"gpu_hours"`
	Dollars    float64 `json:"dollars"`
	SiteMemory uint64  `json:"site_memory_bytes"` // on GPUs
	Upload     uint64  `json:"upload_bytes_per_round"`
	Download   uint64  `json:"download_bytes_per_round"`
	Checkpoint uint64  `json:"checkpoint_bytes"`
	Days       float64 `json:"days"`

	ActiveParameters uint64 `json:"active_parameters,omitempty"` // that a token uses, of a mixture of experts only

	TokensPerParameter float64 `json:"tokens_per_parameter"`
	ChinchillaTokens   uint64  `json:"chinchilla_tokens"` // of a mixture, for its active parameters
	PurseTokens        uint64  `json:"purse_tokens"`      // what the trainers' part of the hard cap pays for
	RaiseDollars       float64 `json:"raise_dollars"`

	TrainingDollars   float64 `json:"training_dollars"`
	EvaluationDollars float64 `json:"evaluation_dollars"`
	SealingDollars    float64 `json:"sealing_dollars"`
	StorageDollars    float64 `json:"storage_dollars"`

	Contributors     uint32  `json:"contributors"`
	Rounds           uint64  `json:"rounds"`
	SiteGPUs         uint64  `json:"site_gpus"`
	SiteHostMemory   uint64  `json:"site_host_memory_bytes"`
	WhoCanTakePart   string  `json:"who_can_take_part"`
	RoundSeconds     float64 `json:"round_seconds"`
	ComputingSeconds float64 `json:"round_computing_seconds"`
	PauseSeconds     float64 `json:"round_pause_seconds"` // between the last payload and the update
	Utilisation      float64 `json:"utilisation"`
	DenseBytes       uint64  `json:"dense_bytes_per_round"` // sent by data-parallel training in bfloat16, same steps
	Archive          uint64  `json:"archive_bytes"`

	Links    []LinkPlan `json:"links"`
	LinkFor  float64    `json:"link_for_95_percent_mbps"` // 0: none reaches it, the pause is too long
	ByGPU    []GPUPlan  `json:"by_gpu"`
	MoE      MoE        `json:"moe"`
	Funnel   Funnel     `json:"funnel"`    // of recipes
	LinkMbps float64    `json:"link_mbps"` // assumed for this rung's sites

	Notes []string `json:"notes"` // where the programme and the plan do not fit each other
}

// LinkPlan is what a link both ways does to a round.
type LinkPlan struct {
	Mbps            float64 `json:"mbps"`
	UploadMinutes   float64 `json:"upload_minutes"`
	DownloadMinutes float64 `json:"download_minutes"`
	Utilisation     float64 `json:"utilisation"`
}

// GPUPlan is the rung's training on sites of one kind of GPU.
type GPUPlan struct {
	GPU         string  `json:"gpu"`
	SiteGPUs    uint64  `json:"site_gpus"`
	GPUHours    float64 `json:"gpu_hours"`
	Dollars     float64 `json:"dollars"`
	Utilisation float64 `json:"utilisation"`
	Days        float64 `json:"days"`
}

// MoE is a mixture of experts with as many parameters: memory, bytes and
// checkpoints stay, a token passes through few of them.
type MoE struct {
	ActiveParameters uint64  `json:"active_parameters"`
	FLOPs            float64 `json:"flops"`
	GPUHours         float64 `json:"gpu_hours"`
	Dollars          float64 `json:"dollars"` // evaluation, sealing and storage included
	Utilisation      float64 `json:"utilisation"`
	Days             float64 `json:"days"`
}
