package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/crescendo-network/crescendo"
)

// Unit is how money is shown for a settlement denom: millions of "udemo" are
// "DEMO".
func Unit(denom string) string {
	return strings.ToUpper(strings.TrimPrefix(denom, "u"))
}

// Money prints an amount in whole units, with all decimals that are not zero
// and two at least.
func Money(unit string, a crescendo.Amount) string {
	text := Plain(a)
	if unit == "" {
		return text
	}
	return text + " " + unit
}

// Plain prints an amount without its unit, thousands apart.
func Plain(a crescendo.Amount) string {
	part := strings.TrimRight(fmt.Sprintf("%06d", uint64(a)%1e6), "0")
	for len(part) < 2 {
		part += "0"
	}
	return Count(uint64(a)/1e6) + "." + part
}

// Count prints a number with its thousands apart.
func Count[N ~int | ~int64 | ~uint32 | ~uint64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Short prints a large number in three digits: 512k, 1.4B.
func Short(n uint64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "k"}} {
		if x := float64(n) / u.size; x >= 1 {
			return strconv.FormatFloat(x, 'g', max(3, len(strconv.Itoa(int(x)))), 64) + u.name
		}
	}
	return strconv.FormatUint(n, 10)
}

// Bytes prints a size in three digits.
func Bytes(n uint64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if x := float64(n) / u.size; x >= 1 {
			return strconv.FormatFloat(x, 'f', decimals(x), 64) + " " + u.name
		}
	}
	return strconv.FormatUint(n, 10) + " B"
}

func decimals(x float64) int {
	switch {
	case x >= 100:
		return 0
	case x >= 10:
		return 1
	}
	return 2
}

// Percent prints a part of a whole.
func Percent[N ~int | ~int64 | ~uint64](part, whole N) string {
	if whole == 0 {
		return "0 %"
	}
	return strconv.FormatFloat(100*float64(part)/float64(whole), 'f', 1, 64) + " %"
}

// Fixed prints a number with so many decimals.
func Fixed(x float64, digits int) string { return strconv.FormatFloat(x, 'f', digits, 64) }

// Clock prints a block's time of day, in UTC.
func Clock(milliseconds int64) string {
	if milliseconds == 0 {
		return ""
	}
	return time.UnixMilli(milliseconds).UTC().Format("15:04:05")
}

// Stamp prints a block's time for machines.
func Stamp(milliseconds int64) string {
	return time.UnixMilli(milliseconds).UTC().Format(time.RFC3339)
}

// Span prints a length of time as people say it.
func Span(milliseconds int64) string {
	s := milliseconds / 1000
	switch {
	case s < 0:
		return "0 s"
	case s < 100:
		return fmt.Sprintf("%d s", s)
	case s < 6000:
		return fmt.Sprintf("%d min", (s+30)/60)
	case s < 48*3600:
		return fmt.Sprintf("%d h", (s+1800)/3600)
	}
	return fmt.Sprintf("%d days", (s+43200)/86400)
}

// Nats prints a loss in nats per token.
func Nats(m crescendo.MicroNats) string { return Fixed(float64(m)/1e6, 3) }

// BitsPerByte turns a loss into bits per byte of a text whose tokens have so
// many bytes each; zero if that is not known.
func BitsPerByte(m crescendo.MicroNats, bytesPerToken float64) float64 {
	if bytesPerToken == 0 {
		return 0
	}
	return float64(m) / 1e6 / math.Ln2 / bytesPerToken
}

// ShortAccount prints an account so that people can tell it from others.
func ShortAccount(a crescendo.Account) string {
	if s := string(a); len(s) > 16 && !a.IsPot() {
		return s[:9] + "…" + s[len(s)-4:]
	}
	return string(a)
}

// Decimal prints a number as it stands in addresses.
func Decimal[N ~int | ~int64 | ~uint32 | ~uint64](n N) string { return strconv.FormatInt(int64(n), 10) }
