package trial

import (
	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/training/outer"
)

// OfCorpus is the text of a packed corpus.
func OfCorpus(r *corpus.Reader) Text { return packed{r} }

type packed struct{ reader *corpus.Reader }

func (p packed) Train(context int) (outer.Windows, error) {
	return p.reader.Train().WithContext(context)
}

func (p packed) HeldOut(context int) (outer.Windows, error) {
	return p.reader.HeldOut().WithContext(context)
}
