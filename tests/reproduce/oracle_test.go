package harness

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
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
		if score, _ := log.match(&crash{value: raised(c.text), frames: c.frames}); (score > 0) != c.found {
			t.Errorf("%q %v: %d", c.text, c.frames, score)
		}
	}
	right := &crash{value: raised("can't find 3"), frames: []Place{place(3, "must"), place(9, "Run")}}
	other := &crash{value: raised("can't parse"), frames: right.frames}
	if a, _ := log.match(right); a == 0 {
		t.Error("not found")
	} else if b, _ := log.match(other); b >= a {
		t.Errorf("other words rank as high: %d %d", b, a)
	}
}

// TestMisuses: of a statement that reflects, another mistake is another crash.
func TestMisuses(t *testing.T) {
	frames := []Place{{"p.go", 3, "walk"}}
	log := Config{Class: "reflect_misuse", Stack: frames,
		Message: "reflect.Value.Interface: cannot return value obtained from unexported field or method"}
	hidden := func(v any) any { return reflect.ValueOf(v).Field(0).Interface() }
	for _, c := range []struct {
		raise func()
		found bool
	}{
		{func() { hidden(struct{ a int }{}) }, true},
		{func() { reflect.Value{}.Interface() }, false},
	} {
		func() {
			defer func() {
				if score, _ := log.match(&crash{value: recover(), frames: frames}); (score > 0) != c.found {
					t.Error(score, c.found)
				}
			}()
			c.raise()
		}()
	}
}

type node interface{ isNode() }
type leaf struct{}
type branch struct{ left, right node }

func (leaf) isNode() {}
func (branch) isNode() {}

// TestHoists: a part of a tree stands in for the whole where the types allow it.
func TestHoists(t *testing.T) {
	branchType, leafType := reflect.TypeOf(branch{}), reflect.TypeOf(leaf{})
	tree := func(left *Term) *Term {
		return &Term{op: opStruct, typ: branchType, fields: []int{0}, args: []*Term{left}}
	}
	root := tree(tree(&Term{op: opStruct, typ: leafType}))
	smallest := root.size()
	for _, simpler := range shrinks(root) {
		if inner := simpler.args; len(inner) == 1 && inner[0].typ == leafType {
			smallest = simpler.size()
		}
	}
	if smallest != 2 || root.size() != 3 {
		t.Error(smallest, root.size())
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

// TestNilWhereTheLogHasNone: such a match ranks below one that meets nil where the log does.
func TestNilWhereTheLogHasNone(t *testing.T) {
	place := Place{"p.go", 3, "(*node).equal"}
	log := Config{Class: "explicit_panic", Message: "nil", Stack: []Place{place}}
	log.Passed = []Passed{{"(*node).equal", "0x0, {0xc000111, 0x5?}, 0xc000222, 0x7, ..."}}
	rank := func(words string) int {
		score, _ := log.match(&crash{raised("nil"), []Place{place}, words})
		return score
	}
	like := rank("0x0, {0xc0777, 0x0}, 0xc0888888")
	for words, less := range map[string]int{
		"":                                      0,
		"0x0, {0x0, 0x0}, ...":                  0,
		"0x0, {0xc000111, 0x9}, 0xc000333, 0x0": 0,
		"0x0, {0xc000111, 0x9}, 0x0":            1,
		"0xc000333, {0x0, 0x0}, 0x0":            2,
	} {
		if got := rank(words); got != like-less*unlikeCost {
			t.Errorf("%q ranks %d, and what is like it %d", words, got, like)
		}
	}
}

type traced struct{ next *traced }

//go:noinline
func touch() {}

// step needs all that it was called with behind a call: so that is kept where the trace finds it.
//
//go:noinline
func (n *traced) step(other *traced, name string) int {
	touch()
	if n.next == other.next {
		return len(name)
	}
	return 0
}

// TestTheWordsOfACrash are read from the stack while its panic passes.
func TestTheWordsOfACrash(t *testing.T) {
	_, file, _, _ := runtime.Caller(0)
	config := &Config{Tree: filepath.Dir(file), Class: "nil_dereference"}
	config.Passed = []Passed{{"(*traced).step", "0x0"}}
	words := func() (words string) {
		defer func() {
			value := recover()
			words = config.words(observe(value, config.Tree))
		}()
		new(traced).step(nil, "seven")
		return "nothing"
	}()
	read, _ := readWords(words)
	if len(read) != 3 || !read[0].isAddress() || !read[1].isNil() {
		t.Errorf("%q", words)
	}
}

// TestSplice: a text of the fuzzer stands where the call takes one, and the call it was made from stays.
func TestSplice(t *testing.T) {
	f := standard(func(int, *strings.Reader, string) {}, "f(%s, %s, %s)")
	call := (&generator{reg: New(struct{}{}), config: new(Config), rng: newRng(1)}).callTerm(f, 0)
	if places := call.texts(); len(places) != 2 {
		t.Fatal(len(places))
	}
	before := call.texts()[0].lit.String()
	for number, data := range []string{"a\xff", ""} {
		spliced := call.with(&Splice{number, []int{'a', 0xff}[:len(data)]})
		if text := spliced.texts()[number].lit.String(); text != data {
			t.Errorf("%d: %q", number, text)
		}
	}
	if text := call.texts()[0].lit.String(); text != before {
		t.Errorf("%q became %q", before, text)
	}
	if call.with(&Splice{2, nil}) != nil {
		t.Error("there are only two")
	}
}
