package page

import "github.com/crescendo-network/crescendo/inference"

// Weights says what a vault computes answers with, in words.
func Weights(weights string) string {
	if weights == inference.WeightsQ8 {
		return "weights of 8 bits, rounded by the vault from the sealed ones: profile q8"
	}
	return "the sealed weights, float32: profile R0"
}
