package corpus

import (
	"context"
	"fmt"
)

// OverlapBytes is the length of a run of bytes that two texts do not share by
// chance.
const OverlapBytes = 48

// Overlapping reports which of the texts share a run of OverlapBytes bytes with
// a document of the corpus, held out or not. Shorter texts overlap nothing.
func (r *Reader) Overlapping(ctx context.Context, texts []string) ([]bool, error) {
	found := make([]bool, len(texts))
	runs := map[string][]int32{} // which texts have a run
	for i, text := range texts {
		for at := 0; at+OverlapBytes <= len(text); at++ {
			run := text[at : at+OverlapBytes]
			if has := runs[run]; len(has) == 0 || has[len(has)-1] != int32(i) {
				runs[run] = append(has, int32(i))
			}
		}
	}
	if len(runs) == 0 {
		return found, nil
	}
	for _, s := range []Split{Train, HeldOut} {
		x, err := r.Index(ctx, s)
		if err != nil {
			return nil, err
		}
		for i := range x.Documents {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("compare texts with corpus %s: %w", r.hash, err)
			}
			text, err := r.Text(ctx, s, i)
			if err != nil {
				return nil, err
			}
			for at := 0; at+OverlapBytes <= len(text); at++ {
				for _, t := range runs[string(text[at:at+OverlapBytes])] {
					found[t] = true
				}
			}
		}
	}
	return found, nil
}
