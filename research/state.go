package research

import (
	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/internal/kv"
)

// MaxParents bounds what one recipe may say it builds on.
const MaxParents = 8

// Recipe is a registered way to train a rung.
type Recipe struct {
	Author  crescendo.Account `pb:"1"`
	Height  crescendo.Height  `pb:"2"`
	Parents []crescendo.Hash  `pb:"3"`
	Adopted bool              `pb:"4"`
}

// Recipes is keyed by uint32(rung), recipe hash bytes.
var Recipes = kv.Map[Recipe]{Name: "research/recipe"}
