package inference

import "github.com/crescendo-network/crescendo"

// Which numbers answers are computed with. A programme chooses for each rung;
// it is part of the terms of every session.
const (
	WeightsFloat32 = ""   // the sealed weights themselves: profile R0
	WeightsQ8      = "q8" // rounded to 8 bits by the vault that opens them: profile q8
)

// CheckWeights refuses what no vault can serve.
func CheckWeights(weights string) error {
	if weights != WeightsFloat32 && weights != WeightsQ8 {
		return crescendo.Errorf(crescendo.CodeInvalid, "%q, want float32 (or nothing) or %s", weights[:min(len(weights), 64)], WeightsQ8)
	}
	return nil
}

// WeightsName is what people and clients read: float32 or q8.
func WeightsName(weights string) string {
	if weights == WeightsFloat32 {
		return "float32"
	}
	return weights
}
