package crescendo

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
)

// Amount is money in the smallest unit of the settlement denom (a millionth
// of a demo dollar on development chains). Arithmetic on amounts is checked:
// it fails, it never wraps.
type Amount uint64

// ErrOverflow means a sum or product left the range of Amount.
var ErrOverflow = errors.New("amount out of range")

// Add returns a+b.
func (a Amount) Add(b Amount) (Amount, error) {
	sum, carry := bits.Add64(uint64(a), uint64(b), 0)
	if carry != 0 {
		return 0, fmt.Errorf("%d + %d: %w", a, b, ErrOverflow)
	}
	return Amount(sum), nil
}

// Sub returns a-b.
func (a Amount) Sub(b Amount) (Amount, error) {
	if b > a {
		return 0, fmt.Errorf("%d - %d: %w", a, b, ErrOverflow)
	}
	return a - b, nil
}

// MulDiv returns a*num/den rounded down; the product is kept in 128 bits.
// Callers state who gets what rounding leaves over.
func (a Amount) MulDiv(num, den uint64) (Amount, error) {
	if den == 0 {
		return 0, fmt.Errorf("%d * %d / 0: %w", a, num, ErrOverflow)
	}
	hi, lo := bits.Mul64(uint64(a), num)
	if hi >= den {
		return 0, fmt.Errorf("%d * %d / %d: %w", a, num, den, ErrOverflow)
	}
	q, _ := bits.Div64(hi, lo, den)
	return Amount(q), nil
}

// String returns the amount as decimal digits in the smallest unit.
func (a Amount) String() string { return strconv.FormatUint(uint64(a), 10) }

// MarshalText writes decimal digits: JSON carries amounts as strings, because
// a float64 holds only 53 bits.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (a *Amount) UnmarshalText(text []byte) error {
	parsed, err := ParseAmount(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

// ParseAmount reads decimal digits in the smallest unit.
func ParseAmount(s string) (Amount, error) {
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("parse amount %q: want decimal digits in the smallest unit", s)
	}
	return Amount(v), nil
}
