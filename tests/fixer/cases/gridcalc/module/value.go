package grid

import (
	"fmt"
	"strconv"
)

// Value is the content of a computed cell.
type Value interface {
	fmt.Stringer
	kind() string
}

// Number is a whole number.
type Number int64

// Text is a string.
type Text string

// List is what a range evaluates to.
type List []Value

func (n Number) String() string { return strconv.FormatInt(int64(n), 10) }
func (t Text) String() string   { return string(t) }
func (l List) String() string   { return fmt.Sprint([]Value(l)) }

func (Number) kind() string { return "number" }
func (Text) kind() string   { return "text" }
func (List) kind() string   { return "list" }

// numbers flattens arguments into plain numbers.
func numbers(args []Value) ([]int64, error) {
	var out []int64
	for _, arg := range args {
		switch v := arg.(type) {
		case Number:
			out = append(out, int64(v))
		case List:
			inner, err := numbers(v)
			if err != nil {
				return nil, err
			}
			out = append(out, inner...)
		default:
			return nil, fmt.Errorf("%s %q is not a number", v.kind(), v)
		}
	}
	return out, nil
}
