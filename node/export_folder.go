package node

import (
	"fmt"
	"strings"

	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/modelfile"
	"github.com/crescendo-network/crescendo/training"
	"github.com/crescendo-network/crescendo/training/outer"
)

// An origin is what a model's card says of where it comes from.
type origin struct {
	programme, chain, rungName string
	public                     bool
	run                        training.Run
}

// folderOf puts a model and its tokenizer together as other programs expect them.
func folderOf(plan outer.Plan, params []float32, text *corpus.Reader, from origin) (modelfile.Folder, error) {
	words := text.Tokenizer()
	tok, err := words.FileJSON()
	if err != nil {
		return modelfile.Folder{}, fmt.Errorf("export tokenizer: %w", err)
	}
	config, err := words.ConfigJSON(plan.Shape.Context)
	if err != nil {
		return modelfile.Folder{}, fmt.Errorf("export tokenizer: %w", err)
	}
	pad := words.Separator()
	return modelfile.Folder{
		Shape: plan.Shape, Params: params,
		Generation: modelfile.Generation{BOS: words.BOS(), EOS: words.Ends(), Pad: &pad},
		Card:       from.card(plan, text.Manifest()),
		Files: map[string][]byte{
			"tokenizer.json": tok, "tokenizer_config.json": config, "chat_template.jinja": []byte(words.Chat()),
		},
	}, nil
}

func (o origin) card(plan outer.Plan, m *corpus.Manifest) *modelfile.Card {
	what := "the weights that were sealed, served for payment and then opened"
	if o.public {
		what = "the weights of a public checkpoint, which lacks the last steps that the sealed model has"
	}
	checkpoint := o.run.Final
	if checkpoint.IsZero() {
		checkpoint = o.run.Base
	}
	license := m.Licence.SPDX
	if license == "" {
		license = "NOASSERTION"
	}
	people := "by its contributors and by nobody else"
	if strings.HasPrefix(o.chain, "crescendo-dev-") {
		people = "on a development chain, whose trainers, funders and clients are demo actors"
	}
	card := &modelfile.Card{
		Name: fmt.Sprintf("%s, rung %d (%s)", o.programme, plan.Rung, o.rungName),
		Tags: []string{"crescendo"},
		Text: "A base model of a crescendo programme, trained " + people + ": these are " + what +
			". Everything that led to it, from text to payments, can be audited: `crescendo audit`.\n\n" +
			"It was trained to continue text and not to be truthful, harmless or helpful.",
		Facts: [][2]string{
			{"parameters", fmt.Sprint(plan.Shape.Parameters())},
			{"context", fmt.Sprintf("%d tokens", plan.Shape.Context)},
			{"chain", o.chain},
			{"last public checkpoint", checkpoint.String()},
			{"corpus", fmt.Sprintf("%s, %d tokens, manifest %s", m.Source, m.Train.Tokens, o.run.Corpus)},
			{"licence of the corpus", license},
			{"numbers", "float32, profile R0: the same bits on every machine"},
		},
	}
	if shard := plan.Choice.Shard; !shard.IsZero() {
		card.Facts = append(card.Facts, [2]string{"contributed text", fmt.Sprintf("manifest %s, which names its licence", shard)})
	}
	return card
}
