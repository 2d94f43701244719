package grid

import (
	"fmt"
	"strconv"
	"strings"
)

// Ref names a cell: a column letter and a row from 1.
type Ref struct {
	Col byte
	Row int
}

func (r Ref) String() string { return string(r.Col) + strconv.Itoa(r.Row) }

// Area is a rectangle of cells, both corners included.
type Area struct {
	From, To Ref
}

// ParseRef reads a reference such as B12.
func ParseRef(s string) (Ref, error) {
	if len(s) < 2 || s[0] < 'A' || s[0] > 'Z' {
		return Ref{}, fmt.Errorf("bad reference %q", s)
	}
	row, err := strconv.Atoi(s[1:])
	if err != nil || row < 1 || row > 9999 {
		return Ref{}, fmt.Errorf("bad row in reference %q", s)
	}
	return Ref{Col: s[0], Row: row}, nil
}

// ParseArea reads a rectangle such as A1:C4.
func ParseArea(s string) (Area, error) {
	colon := strings.Index(s, ":")
	from, err := ParseRef(s[:colon])
	if err != nil {
		return Area{}, err
	}
	to, err := ParseRef(s[colon+1:])
	if err != nil {
		return Area{}, err
	}
	return Area{From: from, To: to}, nil
}

// Cells lists the references of the area, row by row.
func (a Area) Cells() []Ref {
	var out []Ref
	for row := a.From.Row; row <= a.To.Row; row++ {
		for col := a.From.Col; col <= a.To.Col; col++ {
			out = append(out, Ref{Col: col, Row: row})
		}
	}
	return out
}
