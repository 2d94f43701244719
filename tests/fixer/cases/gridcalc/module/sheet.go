// Package grid computes small sheets of cells written as text:
//
//	A1 = 3
//	A2 = A1 * 4
//	B1 = join("total: ", sum(A1:A2))
//	@rate = A1
package grid

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrNoCell is returned for a reference to a cell that was never set.
var ErrNoCell = errors.New("no such cell")

// maxDepth bounds how deep cells may refer to one another.
const maxDepth = 64

// table maps keys to entries and refuses to set one twice.
type table[K comparable, V any] struct {
	what    string
	entries map[K]V
}

func newTable[K comparable, V any](what string) table[K, V] {
	return table[K, V]{what: what, entries: map[K]V{}}
}

func (t *table[K, V]) lookup(key K) (V, bool) {
	v, ok := t.entries[key]
	return v, ok
}

func (t *table[K, V]) define(key K, entry V) error {
	if _, ok := t.lookup(key); ok {
		return fmt.Errorf("%s %v is defined twice", t.what, key)
	}
	t.entries[key] = entry
	return nil
}

type cell struct {
	src  string
	expr Expr
}

// Sheet is a set of cells and of names for cells.
type Sheet struct {
	cells table[Ref, *cell]
	names table[string, Ref]
	depth int
}

// New returns an empty sheet.
func New() *Sheet {
	return &Sheet{cells: newTable[Ref, *cell]("cell")}
}

// Load reads a sheet. Empty lines and lines starting with # are skipped.
func Load(r io.Reader) (*Sheet, error) {
	s := New()
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		target, formula, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("line %d: no = in %q", n, line)
		}
		if err := s.Set(strings.TrimSpace(target), strings.TrimSpace(formula)); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return s, lines.Err()
}

// Set fills a cell with a formula, or, with an @ in front of the target, names a cell.
func (s *Sheet) Set(target, formula string) error {
	if name, ok := strings.CutPrefix(target, "@"); ok {
		ref, err := ParseRef(formula)
		if err != nil {
			return err
		}
		return s.names.define(name, ref)
	}
	ref, err := ParseRef(target)
	if err != nil {
		return err
	}
	expr, err := Parse(formula)
	if err != nil {
		return fmt.Errorf("%s: %w", ref, err)
	}
	return s.cells.define(ref, &cell{src: formula, expr: expr})
}

func (s *Sheet) find(ref Ref) (*cell, error) {
	c, ok := s.cells.lookup(ref)
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNoCell, ref)
	}
	return c, nil
}

// Source returns the formula of a cell as it was written.
func (s *Sheet) Source(ref Ref) (string, error) {
	c, _ := s.find(ref)
	return c.src, nil
}

// Value computes a cell.
func (s *Sheet) Value(ref Ref) (Value, error) {
	c, err := s.find(ref)
	if err != nil {
		return nil, err
	}
	if s.depth >= maxDepth {
		return nil, fmt.Errorf("%s: cells refer to one another too deeply", ref)
	}
	s.depth++
	defer func() { s.depth-- }()
	return c.expr.eval(s)
}
