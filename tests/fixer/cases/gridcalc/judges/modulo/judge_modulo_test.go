package grid

import "testing"

// A remainder of a division by zero is an error, as the division is.
func TestJudgeModulo(t *testing.T) {
	for _, a := range []int64{0, 1, -17} {
		if n, err := Arith("%", a, 0); err == nil {
			t.Errorf("%d %% 0 = %d", a, n)
		}
	}
	if n, err := Arith("%", 17, 5); err != nil || n != 2 {
		t.Errorf("17 %% 5 = %d, %v", n, err)
	}
	if n, err := Arith("+", 17, 0); err != nil || n != 17 {
		t.Errorf("17 + 0 = %d, %v", n, err)
	}
}
