//go:build go1.21

package harness

// Calls whose texts another makes: Go's own fuzzer, which is guided by what the code does with them.

import "reflect"

const (
	// So many different calls of a target are fuzzed, of so many targets: more would only share the time.
	maxFuzzedCalls   = 4
	maxFuzzedTargets = 2
	// Where so many calls take no text, none does.
	maxLooks = 200
	// So many texts to begin with: each is mutated for a while before the next has its turn.
	maxBeginnings = 16
	// Longer texts are not tried.
	maxFuzzed = 4 << 10
)

// fuzz is there in an instrumented build only: what it needs costs time to link.
var fuzz func(s *search, tests any) int

func isText(t *Term) bool {
	if t.op != opLit || t.fixed {
		return false
	}
	kind := t.lit.Kind()
	return kind == reflect.String || kind == reflect.Slice
}

// texts lists the texts that a call takes: plain, or in what the standard library makes of one; where there is
// none, those within its arguments.
func (t *Term) texts() []*Term {
	var out []*Term
	add := func(t *Term) {
		if isText(t) {
			out = append(out, t)
		}
	}
	for _, arg := range t.args {
		add(arg)
		if arg.op == opCall && arg.fn.format != "" {
			for _, part := range arg.args {
				add(part)
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	var within func(t *Term)
	within = func(t *Term) {
		t.children(func(slot **Term) {
			add(*slot)
			within(*slot)
		})
	}
	within(t)
	return out
}

// with is the call with a text put in its place; nil where there is no such place.
func (t *Term) with(splice *Splice) *Term {
	if splice == nil {
		return t
	}
	return t.withData(splice.Number, octets(splice.Data))
}

func octets(numbers []int) []byte {
	data := make([]byte, len(numbers))
	for i, number := range numbers {
		data[i] = byte(number)
	}
	return data
}

// withData keeps nothing of the data, nor changes the call.
func (t *Term) withData(number int, data []byte) *Term {
	t = t.clone()
	places := t.texts()
	if number >= len(places) {
		return nil
	}
	place, v := places[number], reflect.ValueOf(append([]byte{}, data...))
	if place.lit.Kind() == reflect.String {
		v = reflect.ValueOf(string(data))
	}
	place.lit = v.Convert(place.typ)
	return t
}

// takingTexts lists calls of the first targets that take a text, each with the place of one.
func (s *search) takingTexts() []Position {
	var out []Position
	targets := 0
	for p := range s.config.Phases {
		if targets == maxFuzzedTargets {
			break
		}
		written := map[string]bool{}
		for i := uint64(0); i < maxLooks && len(written) < maxFuzzedCalls; i++ {
			at := Position{Phase: p, Index: i}
			term := s.generate(at)
			if term == nil || term.isForced() {
				continue
			}
			for number := range term.texts() {
				at.Splice = &Splice{Number: number}
				found := s.describe(at, term.with(at.Splice))
				if how := found.Setup + found.Final; found.Problem == "" && !written[how] && len(written) < maxFuzzedCalls {
					written[how] = true
					out = append(out, at)
				}
			}
		}
		if len(written) > 0 {
			targets++
		}
	}
	return out
}

// beginnings are the texts that the fuzzer starts from: the best of each kind in turn.
func (c *Config) beginnings() []string {
	out, known := []string{""}, map[string]bool{"": true}
	kinds := [][]string{c.Samples, c.Log, c.Hot, c.JSON, c.Words}
	for i := 0; ; i++ {
		more := false
		for _, kind := range kinds {
			if i >= len(kind) {
				continue
			}
			more = true
			if text := kind[i]; !known[text] && len(text) <= maxFuzzed {
				known[text] = true
				out = append(out, text)
			}
			if len(out) == maxBeginnings {
				return out
			}
		}
		if !more {
			return out
		}
	}
}

// again makes the call at the start position, and makes it smaller if it ends in the crash of the log.
func (s *search) again() {
	term := s.generate(s.config.Start)
	if term == nil {
		return
	}
	s.result.Tried++
	if seen := s.run(term); seen != nil {
		if score, _ := s.config.match(seen); score > 0 {
			s.keep(s.config.Start, term, seen)
		}
	}
	s.result.Done = true
}
