package grid

import (
	"fmt"
	"strconv"
)

// Expr is a parsed formula.
type Expr interface {
	eval(s *Sheet) (Value, error)
}

type (
	literal struct{ value Value }
	refExpr struct{ ref Ref }
	binary  struct {
		op          string
		left, right Expr
	}
	call struct {
		name string
		args []Expr
	}
	areaExpr struct{ Area }
	nameExpr struct{ name string }
)

type parser struct {
	toks []token
	pos  int
}

// Parse reads a formula such as sum(A1:A3) * 2 + B1.
func Parse(src string) (Expr, error) {
	toks, err := scan(src)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks}
	e, err := p.sum()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokEnd {
		return nil, fmt.Errorf("unexpected %q after the formula", t.text)
	}
	return e, nil
}

func (p *parser) peek() token { return p.toks[p.pos] }

func (p *parser) next() token {
	t := p.toks[p.pos]
	if t.kind != tokEnd {
		p.pos++
	}
	return t
}

func (p *parser) sign(s string) bool {
	if t := p.peek(); t.kind == tokSign && t.text == s {
		p.pos++
		return true
	}
	return false
}

func (p *parser) sum() (Expr, error) { return p.chain(p.product, "+", "-") }

func (p *parser) product() (Expr, error) { return p.chain(p.atom, "*", "/", "%") }

func (p *parser) chain(operand func() (Expr, error), ops ...string) (Expr, error) {
	left, err := operand()
	if err != nil {
		return nil, err
	}
	for {
		op := ""
		for _, candidate := range ops {
			if p.sign(candidate) {
				op = candidate
				break
			}
		}
		if op == "" {
			return left, nil
		}
		right, err := operand()
		if err != nil {
			return nil, err
		}
		left = binary{op: op, left: left, right: right}
	}
}

func (p *parser) atom() (Expr, error) {
	switch t := p.next(); {
	case t.kind == tokNumber:
		n, err := strconv.ParseInt(t.text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("number %s is too large", t.text)
		}
		return literal{Number(n)}, nil
	case t.kind == tokText:
		return literal{Text(t.text)}, nil
	case t.kind == tokName && p.sign("("):
		args, err := p.arguments()
		return call{name: t.text, args: args}, err
	case t.kind == tokName:
		from, err := ParseRef(t.text)
		if err != nil {
			return nameExpr{t.text}, nil
		}
		if !p.sign(":") {
			return refExpr{from}, nil
		}
		to, err := ParseRef(p.next().text)
		return areaExpr{Area{From: from, To: to}}, err
	case t.kind == tokSign && t.text == "(":
		e, err := p.sum()
		if err == nil && !p.sign(")") {
			err = fmt.Errorf("missing )")
		}
		return e, err
	default:
		return nil, fmt.Errorf("unexpected %q in the formula", t.text)
	}
}

func (p *parser) arguments() ([]Expr, error) {
	var args []Expr
	if p.sign(")") {
		return args, nil
	}
	for {
		e, err := p.sum()
		if err != nil {
			return nil, err
		}
		args = append(args, e)
		if p.sign(")") {
			return args, nil
		}
		if !p.sign(",") {
			return nil, fmt.Errorf("missing ) or , in the arguments")
		}
	}
}
