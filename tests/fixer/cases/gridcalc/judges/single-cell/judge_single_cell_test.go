package grid

import (
	"fmt"
	"testing"
)

// Without a colon there is no rectangle: an error, or the one cell.
func TestJudgeSingleCell(t *testing.T) {
	for _, s := range []string{"", "B", "all", "A1-B2"} {
		if a, err := ParseArea(s); err == nil {
			t.Errorf("%q was read as %v", s, a.Cells())
		}
	}
	if a, err := ParseArea("B2"); err == nil && fmt.Sprint(a.Cells()) != "[B2]" {
		t.Errorf("B2 was read as %v", a.Cells())
	}
	for s, want := range map[string]string{"B2:B2": "[B2]", "A1:B2": "[A1 B1 A2 B2]"} {
		if a, err := ParseArea(s); err != nil || fmt.Sprint(a.Cells()) != want {
			t.Errorf("%s = %v, %v; want %s", s, a.Cells(), err, want)
		}
	}
}
