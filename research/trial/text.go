package trial

import (
	"context"

	"github.com/crescendo-network/crescendo/corpus"
	"github.com/crescendo-network/crescendo/training/outer"
)

// OfCorpus is the text of a packed corpus.
func OfCorpus(r *corpus.Reader) Text { return packed{reader: r} }

type packed struct {
	reader *corpus.Reader
	from   *corpus.Reader // what it was derived from; nil: it was not
}

// base is the corpus that the competition names.
func (p packed) base() *corpus.Reader {
	if p.from != nil {
		return p.from
	}
	return p.reader
}

func (p packed) Train(ctx context.Context, plan outer.Plan) (outer.Windows, error) {
	text, err := plan.Text(ctx, p.reader)
	if err != nil {
		return nil, err // not a nil *Selection in an interface
	}
	return text, nil
}

func (p packed) HeldOut(context int) (outer.Windows, error) {
	return p.reader.HeldOut().WithContext(context)
}
