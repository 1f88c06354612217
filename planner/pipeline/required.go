package pipeline

import (
	"fmt"
	"math"
)

// The links that Required looks at, in bits per second.
const (
	slowest = 1_000_000
	fastest = 10_000_000_000_000
)

// Required returns the bandwidth, in bits per second both ways, from which a
// method reaches a utilisation; latency is that of the link given. It is found
// by bisection to a thousandth.
func Required(m Model, how Method, l Link, utilisation float64) (int64, error) {
	if !(utilisation > 0 && utilisation < 1) {
		return 0, fmt.Errorf("bandwidth for %s: a utilisation of %g, want between 0 and 1", how.Name, utilisation)
	}
	reaches := func(bandwidth float64) (bool, error) {
		l.Up, l.Down = int64(bandwidth), int64(bandwidth)
		r, err := Simulate(m, how, l)
		return r.Utilisation() >= utilisation, err
	}
	low, high := float64(slowest), float64(fastest)
	if ok, err := reaches(high); err != nil {
		return 0, err
	} else if !ok {
		return 0, fmt.Errorf("bandwidth for %s: %.0f %% is out of reach even at %g Tbit/s: latency, or waiting for others, takes too long",
			how.Name, utilisation*100, high/1e12)
	}
	for high > low*1.001 {
		mid := math.Sqrt(low * high)
		ok, err := reaches(mid)
		switch {
		case err != nil:
			return 0, err
		case ok:
			high = mid
		default:
			low = mid
		}
	}
	return int64(high), nil
}
