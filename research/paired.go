package research

import "math/bits"

// unknown is the half width of an interval about which nothing is known.
const unknown = MaxLoss

// paired describes a sample of differences between two recipes' losses over
// the same seeds and documents, in micro-nats per target.
type paired struct {
	n          uint32
	mean       int64
	sigma      uint64 // sample standard deviation
	low, high  int64  // mean less and plus twice its standard error
	sum        int64
	sumSquares uint64
}

// add takes one difference. At most MaxPairs of at most MaxLoss keep every
// figure below inside 64 bits.
func (p *paired) add(a, b uint64, window uint32) {
	d := int64(a-b) / int64(max(window, 1)) // both are at most MaxLoss * window, so the wrapped difference is exact
	p.n++
	p.sum += d
	p.sumSquares += uint64(d * d)
}

// close computes the figures. The differences are rounded to micro-nats before
// they are squared; documents count as independent of one another, seeds too.
func (p *paired) close() {
	n := int64(p.n)
	if n == 0 {
		p.low, p.high = -unknown, unknown
		return
	}
	p.mean = p.sum / n
	if n == 1 {
		p.low, p.high = p.mean-unknown, p.mean+unknown
		return
	}
	// The squares of difference-mean sum to this, but for the rounding of the
	// mean, whose square is below one micro-nat per pair.
	spread := uint64(max(0, int64(p.sumSquares)-p.mean*(2*p.sum-n*p.mean)))
	p.sigma = root(spread / uint64(n-1))
	half := int64(min(unknown, root(4*spread/uint64(n*(n-1)))))
	p.low, p.high = p.mean-half, p.mean+half
}

// root returns the integer square root, rounded down.
func root(v uint64) uint64 {
	if v == 0 {
		return 0
	}
	var r uint64
	for bit := uint64(1) << (uint(bits.Len64(v)-1) / 2); bit > 0; bit >>= 1 {
		if (r|bit)*(r|bit) <= v {
			r |= bit
		}
	}
	return r
}
