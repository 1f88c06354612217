package main

import (
	"context"
	"os"
	"strconv"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/modelfile"
	"github.com/crescendo-network/crescendo/program/programfile"
	"github.com/crescendo-network/crescendo/tokenizer"
	"github.com/crescendo-network/crescendo/training/outer"
)

// makeModel writes a folder with first weights in the shape of a rung: programme
// file, rung, folder.
func makeModel() {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	spec, _, err := programfile.Load(os.Args[1])
	must(err)
	rung, err := strconv.ParseUint(os.Args[2], 10, 32)
	must(err)
	plan, err := outer.PlanOf(spec, crescendo.RungID(rung))
	must(err)
	params := make([]float32, plan.Shape.Parameters())
	engine.InitParams(plan.Shape, params, 1)
	tok, err := tokenizer.Train(context.Background(), [][]byte{[]byte("a text to learn from, a text")}, plan.Shape.Vocab, nil)
	must(err)
	description, err := tok.MarshalJSON()
	must(err)
	must(modelfile.WriteFolder(os.Args[3], modelfile.Folder{
		Shape: plan.Shape, Params: params, Generation: modelfile.Generation{EOS: []int32{0, 4}},
		Files: map[string][]byte{"tokenizer.json": description},
	}, modelfile.Layout{ShardBytes: 1 << 18}))
}
