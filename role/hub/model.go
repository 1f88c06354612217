package hub

import (
	"fmt"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/inference"
	"github.com/crescendo-network/crescendo/internal/kv"
	"github.com/crescendo-network/crescendo/program"
	"github.com/crescendo-network/crescendo/research"
	"github.com/crescendo-network/crescendo/role/hub/page"
	"github.com/crescendo-network/crescendo/sealing"
	"github.com/crescendo-network/crescendo/training"
)

// ModelCard says what a rung's model is and who may have it.
type ModelCard struct {
	Rung       crescendo.RungID    `json:"rung"`
	Name       string              `json:"name"`
	Parameters uint64              `json:"parameters"`
	Recipe     crescendo.Hash      `json:"recipe"`
	RecipeName string              `json:"recipe_name"`
	Corpus     crescendo.Hash      `json:"corpus"`
	Root       crescendo.Hash      `json:"corpus_root"`
	Policy     string              `json:"weights_policy"`
	Answers    string              `json:"answer_weights"` // what a vault computes answers with: float32 or q8
	Sealed     bool                `json:"sealed"`
	Opened     bool                `json:"opened"`
	Container  crescendo.Hash      `json:"container"`
	SealedLoss crescendo.MicroNats `json:"sealed_loss"` // by the vault's word
	Assurance  string              `json:"assurance"`
	Repaid     crescendo.Amount    `json:"repaid"`
	Cap        crescendo.Amount    `json:"cap"`
	OpensAt    crescendo.Height    `json:"opens_at"` // at the latest; zero: no date
	Loss       page.Loss           `json:"loss"`
	Samples    []Sample            `json:"samples"`
	Tasks      []TaskLine          `json:"tasks"` // that tell recipes apart
}

func (f *facts) model(r *rungFacts) (ModelCard, page.Document, error) {
	c := ModelCard{Rung: r.id, Name: r.spec.Name, Parameters: r.plan.Parameters(int(r.id - 1)), Recipe: r.at.Recipe, Corpus: r.run.Corpus, Root: r.run.Root,
		Policy: r.spec.Sealing.Policy, Repaid: r.book.Holders, Cap: r.book.Cap, Samples: []Sample{},
		Answers: inference.WeightsName(r.spec.Inference.Weights)}
	if !c.Recipe.IsZero() {
		c.RecipeName = f.recipeName(c.Recipe)
	} else if adopted, err := kv.Optional(research.Adoptions.Get(f.State, uint32(r.id))); err == nil && !adopted.Recipe.IsZero() {
		c.Recipe, c.RecipeName = adopted.Recipe, f.recipeName(adopted.Recipe)
	}
	seal, err := kv.Optional(sealing.Seals.Get(f.State, uint32(r.id)))
	if err != nil {
		return c, page.Document{}, err
	}
	if seal.Height > 0 {
		c.Sealed, c.Opened, c.Container, c.SealedLoss = true, len(seal.Key) > 0, seal.Container, seal.Loss
		if r.spec.Sealing.OpenBlocks > 0 {
			c.OpensAt = seal.Height + crescendo.Height(r.spec.Sealing.OpenBlocks)
		}
		vault, err := kv.Optional(sealing.Vaults.Get(f.State, seal.Vault[:]))
		if err != nil {
			return c, page.Document{}, err
		}
		c.Assurance = vault.Assurance
	}
	if c.Loss, err = f.loss(r, page.Range{}); err != nil {
		return c, page.Document{}, err
	}
	if c.Samples, err = f.samples(r); err != nil {
		return c, page.Document{}, err
	}
	if c.Tasks, err = f.modelTasks(r, c.Samples); err != nil {
		return c, page.Document{}, err
	}
	return c, f.modelDocument(r, c), nil
}

// keptEvery is how often a checkpoint is kept for good.
const keptEvery = 10

// sampled are the rounds whose checkpoints are decoded, besides the last.
var sampled = []crescendo.Round{0, 5}

func (f *facts) samples(r *rungFacts) ([]Sample, error) {
	out := []Sample{}
	if r.run.Start.IsZero() {
		return out, nil
	}
	tasks, err := f.keptTasks(r.id)
	if err != nil {
		return nil, err
	}
	rounds := sampled
	if last := crescendo.Round(r.closed()); last > 5 {
		rounds = append(rounds[:len(rounds):len(rounds)], last)
	}
	for _, n := range rounds {
		checkpoint := r.run.Start
		if n > 0 {
			x, err := kv.Optional(training.Rounds.Get(f.State, uint32(r.id), uint32(n)))
			if err != nil {
				return nil, err
			}
			checkpoint = x.Checkpoint
		}
		if checkpoint.IsZero() {
			continue
		}
		s := f.hub.samples.of(order{r.id, r.plan, r.run.Corpus, checkpoint, contentsOf(tasks)})
		if s.Note == goneNote && n < keptEvery && r.closed() > keptEvery {
			x, err := kv.Optional(training.Rounds.Get(f.State, uint32(r.id), uint32(keptEvery)))
			if err != nil {
				return nil, err
			}
			n, s = keptEvery, f.hub.samples.of(order{r.id, r.plan, r.run.Corpus, x.Checkpoint, contentsOf(tasks)})
		}
		s.Round = n
		out = append(out, s)
	}
	return out, nil
}

func (f *facts) modelDocument(r *rungFacts, c ModelCard) page.Document {
	id := page.Decimal(r.id)
	text := f.hub.texts.of(c.Corpus)
	d := page.Document{
		Crumbs: []page.Cell{page.To(r.spec.Name, "/rung/"+id)}, Title: "Model card: " + r.spec.Name, Lead: f.opening(r, c),
		Facts: []page.Fact{{Label: "Parameters", Value: page.Count(c.Parameters)}, {Label: "Weights policy", Value: c.Policy, Link: "/glossary#sealed-until-repaid"},
			{Label: "Answers of vaults", Value: page.Weights(r.spec.Inference.Weights), Link: "/glossary#profile-q8"}},
		Claim: "The public checkpoints can be exported and run anywhere:", Command: "crescendo model export --rung " + id,
	}
	if !c.Recipe.IsZero() {
		d.Facts = append(d.Facts, page.Fact{Label: "Recipe", Value: c.RecipeName, Link: "/recipe/" + c.Recipe.String()})
	}
	if !c.Corpus.IsZero() {
		d.Facts = append(d.Facts, page.Fact{Label: "Corpus", Value: c.Corpus.String(), Link: "/blob/" + c.Corpus.String(), Class: "mono"},
			page.Fact{Label: "Root over its shards", Value: c.Root.String(), Class: "mono"})
	}
	if text.Train.Tokens > 0 {
		d.Facts = append(d.Facts, page.Fact{Label: "Text", Value: fmt.Sprintf("%s, %s, %s documents, %s tokens", text.Source, text.SPDX,
			page.Count(text.Train.Documents), page.Short(uint64(text.Train.Tokens)))},
			page.Fact{Label: "Held out", Value: fmt.Sprintf("%s documents, %s tokens", page.Count(text.HeldOut.Documents), page.Short(uint64(text.HeldOut.Tokens)))})
	}
	if last := c.Loss.Newest(); last.Round > 0 {
		d.Facts = append(d.Facts, page.Fact{Label: "Held-out loss, public checkpoint", Value: fmt.Sprintf("%s nats per token, %s bits per byte", page.Nats(last.Nats), page.Fixed(last.Bits, 3))})
	}
	if c.Sealed {
		loss := page.Nats(c.SealedLoss) + " nats per token, by the vault's word"
		if r.spec.Inference.Weights != inference.WeightsFloat32 {
			loss += ", before its weights are rounded"
		}
		d.Facts = append(d.Facts, page.Fact{Label: "Held-out loss, sealed model", Value: loss},
			page.Fact{Label: "Container", Value: c.Container.Short(), Link: "/blob/" + c.Container.String(), Class: "mono"},
			page.Fact{Label: "Sealed by", Value: c.Assurance, Class: "warn"})
	}
	if len(c.Tasks) > 0 {
		d.Sections = append(d.Sections, modelTaskSection(c))
	}
	d.Sections = append(d.Sections, sampleSection(c))
	return d
}

// opening says who may have the weights, and what is left until all may.
func (f *facts) opening(r *rungFacts, c ModelCard) string {
	switch {
	case c.Opened:
		return "The weights are open: the key is published, and anybody may decrypt and run them."
	case c.Policy == program.Open:
		return "The weights are open from the start."
	case !c.Sealed:
		return "It is not finished. When it is, a vault does the last steps of training and seals it."
	case c.Policy == program.Sealed:
		return "The weights stay sealed: they run inside vaults only."
	}
	s := fmt.Sprintf("Sealed until repaid: holders have had %s of %s. %s are left until the weights open", page.Plain(c.Repaid), page.Money(f.unit, c.Cap), page.Plain(c.Cap-min(c.Cap, c.Repaid)))
	if c.OpensAt > 0 {
		s += ", or they open " + f.inBlocks(c.OpensAt)
	}
	return s + "."
}

func sampleSection(c ModelCard) page.Section {
	s := page.Section{ID: "samples", Title: "The same prompt, as it learned", Note: "public checkpoints, decoded by this hub: always the most likely token"}
	if len(c.Samples) == 0 {
		s.Text = append(s.Text, page.Paragraph{Text: "There is no checkpoint yet."})
	}
	for _, x := range c.Samples {
		when := "after round " + page.Decimal(x.Round)
		if x.Round == 0 {
			when = "before training"
		}
		if x.Note != "" {
			s.Text = append(s.Text, page.Paragraph{Text: when + ": " + x.Note})
			continue
		}
		s.Code += "── " + when + "\n" + x.Prompt + "▮" + x.Text + "\n\n"
	}
	return s
}
