//go:build go1.21

package harness

// What the log tells of the arguments: the words in the brackets of a frame, read by the types of the
// parameters. `printArgs` of runtime/traceback.go writes them: one number a word, braces around what is made
// of several, `?` behind what may be old, `...` where it stops.

import (
	"math"
	"reflect"
	"strconv"
	"strings"
)

// Longer texts and lists are not made.
const maxPassed = 4096

// passedWord is a number, or several in braces.
type passedWord struct {
	value uint64
	known bool
	parts []passedWord
}

// readWords reads the words up to the brace that closes them.
func readWords(text string) (words []passedWord, rest string) {
	for text != "" {
		text = strings.TrimLeft(text, ", ")
		switch {
		case text == "":
		case text[0] == '}':
			return words, text[1:]
		case text[0] == '{':
			var word passedWord
			word.parts, text = readWords(text[1:])
			words = append(words, word)
		default:
			end := strings.IndexAny(text, ",}")
			if end < 0 {
				end = len(text)
			}
			value, err := strconv.ParseUint(strings.TrimPrefix(text[:end], "0x"), 16, 64)
			words = append(words, passedWord{value: value, known: err == nil})
			text = text[end:]
		}
	}
	return words, ""
}

// passed gives what the log tells of a function's arguments; none where it tells nothing.
func (g *generator) passed(f *Func) []passedWord {
	for _, passed := range g.config.Passed {
		if passed.Function == f.name {
			words, _ := readWords(passed.Words)
			return words
		}
	}
	return nil
}

// told makes the argument that the log tells of; nil where it does not tell enough.
func (g *generator) told(t reflect.Type, word passedWord, depth int) *Term {
	first := word
	if len(word.parts) > 0 {
		first = word.parts[0]
	}
	length := -1
	if len(word.parts) > 1 && word.parts[1].known && word.parts[1].value <= maxPassed {
		length = int(word.parts[1].value)
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Chan, reflect.Interface:
		if first.known && first.value == 0 {
			return g.zero(t)
		}
	case reflect.Slice:
		switch {
		case first.known && first.value == 0:
			return g.zero(t)
		case length < 0:
		case isBytes(t):
			return g.literalOf(t, func(v reflect.Value) { v.SetBytes([]byte(g.textOf(length))) })
		case length <= maxNodes/4:
			term := g.node(Term{op: opSlice, typ: t})
			for i := 0; i < length; i++ {
				term.args = append(term.args, g.value(t.Elem(), depth+1))
			}
			return term
		}
	case reflect.String:
		if length >= 0 {
			return g.literalOf(t, func(v reflect.Value) { v.SetString(g.textOf(length)) })
		}
	case reflect.Bool:
		if first.known {
			return g.literalOf(t, func(v reflect.Value) { v.SetBool(first.value&1 == 1) })
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if first.known {
			return g.literalOf(t, func(v reflect.Value) { v.SetInt(signed(first.value, t.Bits())) })
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if first.known {
			return g.literalOf(t, func(v reflect.Value) { v.SetUint(first.value << (64 - t.Bits()) >> (64 - t.Bits())) })
		}
	case reflect.Float64:
		if first.known {
			return g.literalOf(t, func(v reflect.Value) { v.SetFloat(math.Float64frombits(first.value)) })
		}
	}
	return nil
}

// signed is the number that a word of so many bits stands for.
func signed(word uint64, bits int) int64 {
	return int64(word<<(64-bits)) >> (64 - bits)
}

// textOf gives a text of a length: one that is known, else the beginning of one, or several.
func (g *generator) textOf(length int) string {
	var fitting []string
	for _, words := range [][]string{g.config.Hot, g.config.Log, g.config.Samples, g.config.Words} {
		for _, word := range words {
			if len(word) == length {
				fitting = append(fitting, word)
			}
		}
	}
	if len(fitting) > 0 && g.rng.pct(70) {
		return pick(g.rng, fitting)
	}
	text := g.text()
	for len(text) < length {
		more := g.text()
		if more == "" {
			more = g.short(1)
		}
		text += more
	}
	return text[:length]
}
