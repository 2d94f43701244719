package grid

import (
	"strings"
	"testing"
)

// A name stands for its cell, and is defined once.
func TestJudgeCellName(t *testing.T) {
	s, err := Load(strings.NewReader("A1 = 3\n@rate = A1\n@other = A2\nA2 = rate * 2\nA3 = other + rate"))
	if err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[Ref]Value{{'A', 2}: Number(6), {'A', 3}: Number(9)} {
		if got, err := s.Value(ref); err != nil || got != want {
			t.Errorf("%s = %v, %v; want %v", ref, got, err, want)
		}
	}
	if err := s.Set("@rate", "A2"); err == nil || !strings.Contains(err.Error(), "rate") {
		t.Errorf("a name was defined twice: %v", err)
	}
	if err := New().Set("@rate", "A1"); err != nil {
		t.Errorf("a name in an empty sheet: %v", err)
	}
}
