package grid

import "testing"

// There is no largest of no numbers.
func TestJudgeEmptyMax(t *testing.T) {
	for _, args := range [][]Value{nil, {}, {List{}}, {List{}, List{}}} {
		if v, err := Max(args); err == nil {
			t.Errorf("max of %v = %v", args, v)
		}
	}
	for _, args := range [][]Value{{Number(-2)}, {Number(-5), Number(-2)}, {List{Number(-2)}, Number(-3)}} {
		if v, err := Max(args); err != nil || v != Number(-2) {
			t.Errorf("max of %v = %v, %v", args, v, err)
		}
	}
}
