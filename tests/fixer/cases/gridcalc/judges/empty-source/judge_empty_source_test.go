package grid

import (
	"strings"
	"testing"
)

// A cell that was never set has no formula: an error.
func TestJudgeEmptySource(t *testing.T) {
	s, err := Load(strings.NewReader("A1 = 1 + 2"))
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []Ref{{'A', 2}, {'B', 1}, {}} {
		if src, err := s.Source(ref); err == nil {
			t.Errorf("source of %s = %q", ref, src)
		}
	}
	if src, err := s.Source(Ref{'A', 1}); err != nil || src != "1 + 2" {
		t.Errorf("source = %q, %v", src, err)
	}
}
