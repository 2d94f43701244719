package grid

import "testing"

// Only a text has capitals; a number may be written as it is.
func TestJudgeUpperNumber(t *testing.T) {
	if v, err := Upper([]Value{Number(12)}); err == nil && v != Text("12") {
		t.Errorf("upper of a number = %q", v)
	}
	if v, err := Upper([]Value{List{Text("a")}}); err == nil {
		t.Errorf("upper of a list = %q", v)
	}
	if v, err := Upper([]Value{Text("abc")}); err != nil || v != Text("ABC") {
		t.Errorf("upper of a text = %q, %v", v, err)
	}
}
