package hub

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Watt is power in W. A direction is always in the name (Import, Export),
// never in the sign, except where a comment says so.
type Watt int32

// WattHour is energy in Wh. A meter's register with 0.001 kWh steps is exact
// in it, for ever.
type WattHour int64

// Milliampere is a current in mA.
type Milliampere int32

// Decivolt is a voltage in 0.1 V, the resolution of a P1 telegram.
type Decivolt int32

// MicroEuro is money in 1e-6 EUR. A price is in MicroEuro per kWh.
type MicroEuro int64

// Euro is m as a decimal number of euro with two digits, for people.
func (m MicroEuro) Euro() string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	cents := (m + 5_000) / 10_000
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}

// Cost is what energy e costs at price p per kWh, rounded to the nearest
// micro-euro.
func Cost(e WattHour, p MicroEuro) MicroEuro {
	total := int64(e) * int64(p)
	if total < 0 {
		return MicroEuro((total - 500) / 1000)
	}
	return MicroEuro((total + 500) / 1000)
}

// Energy is the energy of power w over d, rounded to the nearest Wh.
func Energy(w Watt, d time.Duration) WattHour {
	return WattHour((int64(w)*int64(d/time.Millisecond) + int64(time.Hour/time.Millisecond)/2) / int64(time.Hour/time.Millisecond))
}

// ParseDecimal reads a decimal number with a point or a comma as a whole
// number of its digits-th decimals: "0,25" with 6 digits is 250000. Further
// decimals are rounded. It is exact, unlike a float.
func ParseDecimal(text string, digits int) (int64, bool) {
	text = strings.Replace(strings.TrimSpace(text), ",", ".", 1)
	text, minus := strings.CutPrefix(text, "-")
	whole, part, _ := strings.Cut(text, ".")
	if whole+part == "" || len(whole) > 9 || len(part) > 30 || strings.Trim(whole+part, "0123456789") != "" {
		return 0, false
	}
	up := len(part) > digits && part[digits] >= '5'
	part = (part + strings.Repeat("0", digits))[:digits]
	v, err := strconv.ParseInt(whole+part, 10, 64)
	if err != nil {
		return 0, false
	}
	if up {
		v++
	}
	if minus {
		v = -v
	}
	return v, true
}
