package harness

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestSkeleton reads the table that the judge of printed crashes is tested with.
func TestSkeleton(t *testing.T) {
	table, err := os.ReadFile("words.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(table)), "\n") {
		parts := strings.Split(line, "\t")
		if len(parts) != 3 || (skeleton(parts[1]) == skeleton(parts[2])) != (parts[0] == "same") {
			t.Errorf("%s: %q %q", line, skeleton(parts[1]), skeleton(parts[2]))
		}
	}
}

type raised string

// TestTheCallerDecides: one helper panics for many.
func TestTheCallerDecides(t *testing.T) {
	place := func(line int, function string) Place { return Place{"p.go", line, function} }
	log := Config{
		Class: "explicit_panic", Message: "can't find 17", Stack: []Place{place(3, "must"), place(9, "Run")},
	}
	for _, c := range []struct {
		text   string
		frames []Place
		found  bool
	}{
		{"can't find 3", []Place{place(3, "must"), place(9, "Run")}, true},
		{"can't find 17", []Place{place(3, "must"), place(8, "Run")}, false},
		{"can't parse", []Place{place(3, "must"), place(8, "Run")}, false},
		{"can't find 3", []Place{place(3, "must")}, true},
		{"can't parse", []Place{place(3, "must")}, false},
	} {
		if score, _ := log.match(&crash{raised(c.text), c.frames}); (score > 0) != c.found {
			t.Errorf("%q %v: %d", c.text, c.frames, score)
		}
	}
	right := &crash{raised("can't find 3"), []Place{place(3, "must"), place(9, "Run")}}
	other := &crash{raised("can't parse"), right.frames}
	if a, _ := log.match(right); a == 0 {
		t.Error("not found")
	} else if b, _ := log.match(other); b >= a {
		t.Errorf("other words rank as high: %d %d", b, a)
	}
}

// TestWhatWasPassed: the words of a frame are read by the types of the parameters.
func TestWhatWasPassed(t *testing.T) {
	g := &generator{config: &Config{Words: []string{"seven77"}}, rng: newRng(1)}
	type pair struct{ a, b int }
	words, rest := readWords("0x0, {0xc0001?, 0x7}, {0x0, 0x0, 0x0}, 0xfffffffffffffffe, 0x1?, {0x2, {0x3, ...}}, {0x0, 0x0}")
	if rest != "" || len(words) != 7 {
		t.Fatal(words, rest)
	}
	for i, c := range []struct {
		of   any
		want func(*Term) bool
	}{
		{(*pair)(nil), func(term *Term) bool { return term.op == opZero && !term.forced }},
		{"", func(term *Term) bool { return len(term.lit.String()) == 7 }},
		{[]int(nil), func(term *Term) bool { return term.op == opZero }},
		{0, func(term *Term) bool { return term.lit.Int() == -2 }},
		{0, func(term *Term) bool { return term == nil }},
		{pair{}, func(term *Term) bool { return term == nil }},
	} {
		if term := g.told(reflect.TypeOf(c.of), words[i], 0); !c.want(term) {
			t.Errorf("%d: %+v", i, term)
		}
	}
	if term := g.told(errorType, words[6], 0); term == nil || term.op != opZero {
		t.Errorf("%+v", term)
	}
	for _, odd := range []string{"", "}", "{{{", "{0x1", ",,,", "0x", "_, ...", "{}}}"} {
		readWords(odd)
	}
}
