package grid

import "testing"

// A text without its closing quote is an error of the formula.
func TestJudgeOpenText(t *testing.T) {
	for _, src := range []string{`"`, `"abc`, `join("a", "b)`, `"a" "`} {
		if e, err := Parse(src); err == nil {
			t.Errorf("%s was read as %v", src, e)
		}
	}
	for src, want := range map[string]string{`""`: "", `"abc"`: "abc", `join("a","")`: "a", `join("a","b")`: "ab"} {
		e, err := Parse(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if v, err := e.eval(New()); err != nil || v.String() != want {
			t.Errorf("%s = %v, %v; want %q", src, v, err, want)
		}
	}
}
