package planner

// gpu is a kind of accelerator with its defaults.
type gpu struct {
	name, title    string
	tflops, memory float64 // bfloat16 without sparsity; GB
	price          float64 // dollars an hour
	spec, market   string
}

var gpus = []gpu{
	{"h100", "H100", 989, 80, 2.00, "NVIDIA H100 SXM data sheet", "DeepSeek-V3 report's $2 (H800); listings May 2026: 1.99 to 5.00"},
	{"h200", "H200", 989, 141, 2.80, "NVIDIA H200 data sheet", "listings May 2026: 2.50 to 7.00"},
	{"b200", "B200", 2250, 180, 4.50, "NVIDIA HGX B200 data sheet", "assumed; a listing of March 2026 asks 6.03"},
	{"a100", "A100", 312, 80, 1.10, "NVIDIA A100 SXM data sheet", "listings May 2026: 0.80 to 3.00"},
	{"mi300x", "MI300X", 1307, 192, 2.20, "AMD MI300X data sheet", "assumed"},
	{"rtx5090", "RTX 5090", 209, 32, 0.76, "NVIDIA Blackwell consumer whitepaper", "a listing of March 2026: 0.76"},
	{"rtx4090", "RTX 4090", 165, 24, 0.40, "NVIDIA Ada whitepaper, float32 accumulation", "assumed"},
}

func gpuNames() []string {
	var names []string
	for _, g := range gpus {
		names = append(names, g.name)
	}
	return names
}

func (g gpu) assumptions() Assumptions {
	return Assumptions{
		{Name: "gpu-price-" + g.name, Default: g.price, Min: 0.01, Max: 50, Unit: "$/h", Meaning: "rent of one " + g.title, Source: g.market},
		{Name: "gpu-tflops-" + g.name, Default: g.tflops, Min: 1, Max: 100000, Unit: "TFLOP/s", Meaning: "peak of one " + g.title + ", bfloat16, dense", Source: g.spec},
		{Name: "gpu-memory-" + g.name, Default: g.memory, Min: 1, Max: 4096, Unit: "GB", Meaning: "memory of one " + g.title, Source: g.spec},
	}
}

// general is every input that belongs to no kind of GPU.
var general = Assumptions{
	{Name: "mfu", Default: 0.40, Min: 0.01, Max: 1, Meaning: "share of a GPU's peak that training reaches while it computes",
		Source: "Llama 3 405B: 0.38 to 0.43 (arXiv 2407.21783); INTELLECT-1: 0.36 to 0.41 (arXiv 2412.01152)"},
	{Name: "mfu-moe", Default: 0.35, Min: 0.01, Max: 1, Meaning: "the same for a mixture of experts",
		Source: "DeepSeek-V3: 37B active x 14.8T tokens in 2.664M H800 hours (arXiv 2412.19437), of the bfloat16 peak"},
	{Name: "goodput", Default: 0.90, Min: 0.1, Max: 1, Meaning: "share of rented time not lost to failures and restarts",
		Source: "Llama 3 405B: above 0.90 with 419 interruptions in 54 days (arXiv 2407.21783)"},
	{Name: "tokens-per-parameter", Default: 20, Min: 1, Max: 1000, Meaning: "tokens after which a model is compute-optimal",
		Source: "Chinchilla (arXiv 2203.15556)"},
	{Name: "flops-per-token", Default: 6, Min: 2, Max: 12, Unit: "per parameter", Meaning: "operations to train on one token: 2 forward, 4 backward",
		Source: "Kaplan et al. (arXiv 2001.08361); attention itself is left out"},
	{Name: "contributors", Default: 0, Min: 0, Max: 4096, Whole: true, Meaning: "sites that work at a time; 0: the programme's seats", Source: "programme file"},
	{Name: "gpu-bytes-muon", Default: 12, Min: 1, Max: 64, Unit: "B/parameter", Meaning: "a site's GPU memory with Muon: master weights 4, bfloat16 copy 2, gradient 2, momentum 4",
		Source: "arithmetic of mixed precision"},
	{Name: "gpu-bytes-adamw", Default: 16, Min: 1, Max: 64, Unit: "B/parameter", Meaning: "the same with AdamW, which has two moments", Source: "arithmetic of mixed precision"},
	{Name: "host-bytes", Default: 8, Min: 0, Max: 64, Unit: "B/parameter", Meaning: "a site's main memory: round's base 4, error feedback 4; touched once a round",
		Source: "training/outer keeps both in float32"},
	{Name: "activations", Default: 0.25, Min: 0, Max: 4, Meaning: "memory for activations and buffers, as a share of the above on the GPU", Source: "assumed, with recomputation"},
	{Name: "node-gpus", Default: 8, Min: 1, Max: 72, Whole: true, Meaning: "GPUs in one machine; larger sites are whole machines", Source: "HGX"},
	{Name: "node-link", Default: 1000, Min: 1, Max: 1e6, Unit: "Mbit/s", Meaning: "link, each way, of a site of one machine", Source: "assumed; Covenant-72B's peers: 110 up, 500 down (arXiv 2603.08163)"},
	{Name: "site-link", Default: 10000, Min: 1, Max: 1e6, Unit: "Mbit/s", Meaning: "link, each way, of a larger site", Source: "assumed; 25 to 45 Gbit/s were measured between continents and within Europe (arXiv 2505.14065)"},
	{Name: "evaluator-link", Default: 25000, Min: 1, Max: 1e6, Unit: "Mbit/s", Meaning: "link down of an evaluator, which fetches every payload of a round", Source: "arXiv 2505.14065"},
	{Name: "evaluator-size", Default: 8, Min: 1, Max: 1024, Whole: true, Unit: "sites", Meaning: "an evaluator's machines, in sites of a trainer; it judges all payloads of a round while trainers wait", Source: "assumed; judging splits by payload"},
	{Name: "latency", Default: 80, Min: 0, Max: 10000, Unit: "ms", Meaning: "latency from one site to another", Source: "assumed: between continents"},
	{Name: "block", Default: 1, Min: 0.01, Max: 600, Unit: "s", Meaning: "time of a block", Source: "assumed; the announced deadlines count on it"},
	{Name: "round-blocks", Default: 5, Min: 0, Max: 10000, Whole: true, Meaning: "blocks between the last payload and the update: commit, reveal, draw, vote, open; phases end once all have acted",
		Source: "training's rules"},
	{Name: "replay-overhead", Default: 2, Min: 1, Max: 100, Meaning: "cost of a bitwise replay over ordinary training", Source: "1.97 to 2.06 measured on GPUs by CortexLM/hypertrain (2026)"},
	{Name: "enclave-overhead", Default: 1.12, Min: 1, Max: 100, Meaning: "cost of the last, sealed steps over ordinary training", Source: "1.016 to 1.121 published for confidential H200"},
	{Name: "archive-every", Default: 10, Min: 1, Max: 100000, Whole: true, Unit: "rounds", Meaning: "rounds between two checkpoints that are kept", Source: "role/archive"},
	{Name: "storage-price", Default: 6, Min: 0, Max: 1000, Unit: "$/TB/month", Meaning: "keeping the archive", Source: "list price of one object store (Backblaze B2)"},
	{Name: "storage-months", Default: 24, Min: 0, Max: 600, Meaning: "months the archive is kept", Source: "the announced programme opens sealed weights after two years"},
	{Name: "moe-active", Default: 0.055, Min: 0.001, Max: 1, Meaning: "share of a mixture of experts' parameters that a token passes through",
		Source: "DeepSeek-V3: 37B of 671B (arXiv 2412.19437)"},
	{Name: "announced", Default: 160e6, Min: 1, Max: 1e12, Unit: "$", Meaning: "what the whole ladder was announced to take", Source: "near.ai, November 2024"},
}
