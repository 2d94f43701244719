// Package pricing turns totals into what a customer pays. All amounts are in cents.
package pricing

import (
	"errors"
	"fmt"
	"strconv"
)

// ErrVoucher is returned for a voucher code that grants nothing.
var ErrVoucher = errors.New("invalid voucher")

// prefixLen is the length of the kind in front of a voucher code, as in "PCT-15" or "OFF-500".
const prefixLen = 4

// ApplyVoucher returns the total after the discount of a voucher.
func ApplyVoucher(total int64, code string) (int64, error) {
	kind, value := code[:prefixLen], code[prefixLen:]
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%w: %q", ErrVoucher, code)
	}
	switch kind {
	case "PCT-":
		if n > 100 {
			return 0, fmt.Errorf("%w: %q", ErrVoucher, code)
		}
		return total - total*n/100, nil
	case "OFF-":
		if n > total {
			return 0, nil
		}
		return total - n, nil
	default:
		return 0, fmt.Errorf("%w: %q", ErrVoucher, code)
	}
}

// Installments splits a total into monthly payments. The first ones carry the remainder.
func Installments(total int64, months int) ([]int64, error) {
	if total < 0 {
		return nil, fmt.Errorf("cannot split a total of %d", total)
	}
	base := total / int64(months)
	rest := total % int64(months)
	var plan []int64
	for i := 0; i < months; i++ {
		amount := base
		if int64(i) < rest {
			amount++
		}
		plan = append(plan, amount)
	}
	return plan, nil
}
