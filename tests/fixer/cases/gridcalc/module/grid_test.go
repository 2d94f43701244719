package grid

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

const sample = `
# a small sheet
A1 = 3
A2 = A1 * (4 + 2)
A3 = 17 / 5 - 1
B1 = sum(A1:A3, 10)
B2 = max(A1:A3)
B3 = join(upper("total "), B1)
C1 = A2 % 5
`

func TestValues(t *testing.T) {
	s, err := Load(strings.NewReader(sample))
	if err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]Value{
		"A2": Number(18),
		"A3": Number(2),
		"B1": Number(33),
		"B2": Number(18),
		"B3": Text("TOTAL 33"),
		"C1": Number(3),
	} {
		at, err := ParseRef(ref)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Value(at); err != nil || got != want {
			t.Errorf("%s = %v, %v; want %v", ref, got, err, want)
		}
	}
	if src, err := s.Source(Ref{'A', 2}); err != nil || src != "A1 * (4 + 2)" {
		t.Errorf("Source = %q, %v", src, err)
	}
}

func TestLoadRejects(t *testing.T) {
	for _, src := range []string{
		"A1", "1A = 3", "A0 = 3", "A1 = ", "A1 = 3 +", "A1 = (3", "A1 = sum(3", "A1 = 3 $ 4", "A1 = 3 4",
		"A1 = 1\nA1 = 2", "A1 = 99999999999999999999", "@rate = 3",
	} {
		if _, err := Load(strings.NewReader(src)); err == nil {
			t.Errorf("%q was accepted", src)
		}
	}
}

func TestValueErrors(t *testing.T) {
	for _, src := range []string{"A1 = B1", "A1 = A1", "A1 = 3 / 0", `A1 = "x" + 1`, `A1 = max("x")`, "A1 = rate", "A1 = upper()"} {
		s, err := Load(strings.NewReader(src))
		if err != nil {
			t.Fatal(err)
		}
		if v, err := s.Value(Ref{'A', 1}); err == nil {
			t.Errorf("%q = %v", src, v)
		}
	}
	if _, err := New().Value(Ref{'A', 1}); !errors.Is(err, ErrNoCell) {
		t.Errorf("an empty sheet: %v", err)
	}
}

func TestParseArea(t *testing.T) {
	got, err := ParseArea("A1:B2")
	want := []Ref{{'A', 1}, {'B', 1}, {'A', 2}, {'B', 2}}
	if err != nil || !reflect.DeepEqual(got.Cells(), want) {
		t.Errorf("ParseArea = %v, %v", got, err)
	}
	for _, s := range []string{":", "A1:", ":B2", "A1:2"} {
		if _, err := ParseArea(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}
