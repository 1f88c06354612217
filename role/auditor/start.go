package auditor

import (
	"context"
	"fmt"

	"github.com/crescendo-network/crescendo/blob"
	"github.com/crescendo-network/crescendo/training/outer"
)

// begin makes again what training started from. If that is not what the ledger
// says, or cannot be made here, the audit goes on with what the ledger went on with.
func (r *rehearsal) begin(ctx context.Context) error {
	firstError := r.run.Error
	if len(r.rounds) > 0 {
		firstError = r.rounds[0].BaseError
	}
	checkpoint, aggregatorError, err := r.origin.Make(ctx, r.blobs)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
	case blob.Sum(checkpoint) != r.run.Start:
		err = fmt.Errorf("%s gives checkpoint %s, the ledger says %s", r.origin, blob.Sum(checkpoint), r.run.Start)
	case blob.Sum(aggregatorError) != firstError:
		err = fmt.Errorf("an empty aggregator error is %s, the ledger says %s", blob.Sum(aggregatorError), firstError)
	}
	r.findings.settle(Recomputed, err, "initial checkpoint of rung %d", r.id)
	if err != nil {
		r.base, _ = r.checkpoint(ctx, r.run.Start)
		r.error, _ = r.errorState(ctx, firstError)
		return ctx.Err()
	}
	base, err := outer.DecodeCheckpoint(r.plan.Shape, checkpoint)
	if err != nil {
		return err
	}
	empty, err := outer.DecodeError(r.plan.Shape, aggregatorError)
	r.base, r.error = base.Values, empty.Values
	return err
}
