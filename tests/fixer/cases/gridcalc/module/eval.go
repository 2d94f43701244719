package grid

import (
	"fmt"
	"strings"
)

func (l literal) eval(*Sheet) (Value, error) { return l.value, nil }

func (r refExpr) eval(s *Sheet) (Value, error) { return s.Value(r.ref) }

func (n nameExpr) eval(s *Sheet) (Value, error) {
	ref, ok := s.names.lookup(n.name)
	if !ok {
		return nil, fmt.Errorf("unknown name %s", n.name)
	}
	return s.Value(ref)
}

func (a areaExpr) eval(s *Sheet) (Value, error) {
	var out List
	for _, ref := range a.Cells() {
		v, err := s.Value(ref)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (b binary) eval(s *Sheet) (Value, error) {
	left, err := b.left.eval(s)
	if err != nil {
		return nil, err
	}
	right, err := b.right.eval(s)
	if err != nil {
		return nil, err
	}
	ns, err := numbers([]Value{left, right})
	if err != nil {
		return nil, err
	}
	if len(ns) != 2 {
		return nil, fmt.Errorf("%s needs two numbers", b.op)
	}
	n, err := Arith(b.op, ns[0], ns[1])
	return Number(n), err
}

// Arith applies an operator to two numbers.
func Arith(op string, a, b int64) (int64, error) {
	switch op {
	case "+":
		return a + b, nil
	case "-":
		return a - b, nil
	case "*":
		return a * b, nil
	case "/":
		if b == 0 {
			return 0, fmt.Errorf("%d / 0", a)
		}
		return a / b, nil
	case "%":
		return a % b, nil
	default:
		return 0, fmt.Errorf("unknown operator %s", op)
	}
}

type function func(args []Value) (Value, error)

var functions = map[string]function{
	"sum":   Sum,
	"max":   Max,
	"join":  Join,
	"upper": Upper,
}

func (c call) eval(s *Sheet) (Value, error) {
	args := make([]Value, len(c.args))
	for i, arg := range c.args {
		v, err := arg.eval(s)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	fn := functions[strings.ToLower(c.name)]
	return fn(args)
}

// Sum adds all numbers.
func Sum(args []Value) (Value, error) {
	ns, err := numbers(args)
	if err != nil {
		return nil, err
	}
	var total int64
	for _, n := range ns {
		total += n
	}
	return Number(total), nil
}

// Max returns the largest number.
func Max(args []Value) (Value, error) {
	ns, err := numbers(args)
	if err != nil {
		return nil, err
	}
	best := ns[0]
	for _, n := range ns[1:] {
		if n > best {
			best = n
		}
	}
	return Number(best), nil
}

// Join writes all arguments one after another.
func Join(args []Value) (Value, error) {
	var b strings.Builder
	for _, arg := range args {
		b.WriteString(arg.String())
	}
	return Text(b.String()), nil
}

// Upper turns a text into capitals.
func Upper(args []Value) (Value, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf("upper takes one text, not %d", len(args))
	}
	text := args[0].(Text)
	return Text(strings.ToUpper(string(text))), nil
}
