package page

import (
	"math"
	"testing"
)

// TestNamesOfLinesApart lays out curves that end at, above and below the
// baselines.
func TestNamesOfLinesApart(t *testing.T) {
	for _, last := range []float64{1.5, 2.07, 2.18, 2.3, 4.05, 4.1, 4.2} {
		for _, of := range []uint32{2, 9} { // the newest value at the edge, and far from it
			p := plotLoss(Loss{Of: of, Bigram: 4.10, Gzip: 2.18, Points: []LossPoint{{Round: 1, Bits: 4.4}, {Round: 2, Bits: last}}})
			heights := []float64{p.marks[0].label, p.marks[1].label}
			if of == 2 {
				heights = append(heights, p.now)
			}
			for i := range heights {
				if heights[i] < 0 || heights[i] > chartHeight {
					t.Errorf("last value %v of %d rounds: a name stands at %v, outside of the picture", last, of, heights[i])
				}
				for j := range i {
					if math.Abs(heights[i]-heights[j]) < 13.9 {
						t.Errorf("last value %v of %d rounds: names at %v and %v overlap", last, of, heights[i], heights[j])
					}
				}
			}
		}
	}
}
