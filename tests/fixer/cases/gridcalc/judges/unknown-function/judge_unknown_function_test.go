package grid

import "testing"

// A function that does not exist is an error of the cell, or of the formula.
func TestJudgeUnknownFunction(t *testing.T) {
	for _, src := range []string{"avg(1, 2)", "summ()", `sum(nope("x"))`} {
		e, err := Parse(src)
		if err != nil {
			continue
		}
		if v, err := e.eval(New()); err == nil {
			t.Errorf("%s = %v", src, v)
		}
	}
	e, err := Parse("SUM(1, 2)")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := e.eval(New()); err != nil || v != Number(3) {
		t.Errorf("SUM(1, 2) = %v, %v", v, err)
	}
}
