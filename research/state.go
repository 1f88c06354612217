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

// Origin tells whose a recipe's hash is: who registered it first, and where.
type Origin struct {
	Author crescendo.Account `pb:"1"`
	Rung   crescendo.RungID  `pb:"2"`
}

// Adoption names the recipe a rung is trained with.
type Adoption struct {
	Recipe crescendo.Hash `pb:"1"`
}

// The rule's collections.
var (
	Recipes   = kv.Map[Recipe]{Name: "research/recipe"}     // key: uint32(rung), recipe hash bytes
	Origins   = kv.Map[Origin]{Name: "research/origin"}     // key: recipe hash bytes
	Adoptions = kv.Map[Adoption]{Name: "research/adoption"} // key: uint32(rung)
)
