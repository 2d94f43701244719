//go:build go1.21

package harness

import (
	"fmt"
	"path"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// crash is a panic as it was seen while it passed.
type crash struct {
	value  any
	frames []Place // of the sources, from the failing one outwards
	words  string  // what the failing one was called with, where the log tells that, too
}

// observe is called by a deferred function while a panic passes.
func observe(value any, tree string) *crash {
	pcs := make([]uintptr, 128)
	pcs = pcs[:runtime.Callers(2, pcs)]
	c := &crash{value: value}
	if len(pcs) == 0 {
		return c
	}
	frames := runtime.CallersFrames(pcs)
	for {
		f, more := frames.Next()
		if f.Function == "runtime.gopanic" {
			c.frames = c.frames[:0] // what comes before is a deferred function that panicked again
		} else if file, ok := strings.CutPrefix(f.File, tree+"/"); ok && !strings.Contains(file, "hephaestus_") {
			c.frames = append(c.frames, Place{file, f.Line, functionName(f.Function)})
		}
		if !more {
			return c
		}
	}
}

// functionName drops the package and type arguments of a symbol.
func functionName(symbol string) string {
	symbol = plainName(symbol)
	slash := strings.LastIndexByte(symbol, '/') + 1
	if dot := strings.IndexByte(symbol[slash:], '.'); dot >= 0 {
		symbol = symbol[slash+dot+1:]
	}
	return strings.TrimSuffix(symbol, "-fm")
}

// declared is the declared function of a closure: (*T).M.func1.2 is (*T).M, F.func1 is F.
func declared(name string) string {
	from := 0
	if strings.HasPrefix(name, "(") {
		from = strings.IndexByte(name, ')') + 2
	}
	if from > len(name) {
		return name
	}
	for _, mark := range []string{".func", ".gowrap", ".deferwrap", "-range"} {
		if i := strings.Index(name[from:], mark); i >= 0 {
			return name[:from+i]
		}
	}
	return name
}

func samePlace(a, b Place) (function, line bool) {
	function = declared(a.Function) == declared(b.Function)
	return function, function && a.Line == b.Line && a.File == b.File
}

// beside tells whether a crash is of the log's class, and of another statement of its function, of another
// method of its type, or of another function that the log's direct caller calls.
func (c *Config) beside(seen *crash) bool {
	if len(seen.frames) == 0 || len(c.Stack) == 0 || classify(seen.value) != c.Class {
		return false
	}
	top, failing := seen.frames[0], c.Stack[0]
	if function, line := samePlace(top, failing); function {
		return !line
	}
	if path.Dir(top.File) != path.Dir(failing.File) {
		return false
	}
	if owner := receiver(failing.Function); owner != "" && owner == receiver(top.Function) {
		return true
	}
	if len(c.Stack) < 2 || len(seen.frames) < 2 {
		return false
	}
	function, _ := samePlace(seen.frames[1], c.Stack[1])
	return function
}

// receiver is the type of a method: T of (*T).M and T.M, nothing of F and F.func1.
func receiver(name string) string {
	owner, _, ok := strings.Cut(declared(name), ".")
	if !ok {
		return ""
	}
	return strings.Trim(owner, "(*)")
}

// match rates how much a crash is the log's: 0 is another one. The rest of the log's chain, the
// message, and the values in it only rank: a hard gate would throw real ones away.
func (c *Config) match(seen *crash) (score int, exact bool) {
	if len(seen.frames) == 0 || len(c.Stack) == 0 || classify(seen.value) != c.Class {
		return 0, false
	}
	function, line := samePlace(seen.frames[0], c.Stack[0])
	if !function || !line && !c.Drifted {
		return 0, false
	}
	text := messageOf(seen.value)
	if c.Class == "explicit_panic" && !c.sameRaise(seen, text) {
		return 0, false
	}
	if c.Class == "reflect_misuse" && misuse(text) != misuse(c.Message) {
		return 0, false
	}
	score = 100
	if line {
		score += 50
	}
	at := 1
	for _, want := range c.Stack[1:] {
		for i := at; i < len(seen.frames); i++ {
			if function, line := samePlace(seen.frames[i], want); function {
				score += 10
				if line {
					score += 5
				}
				at = i + 1
				break
			}
		}
	}
	if text == c.Message || strings.HasSuffix(c.Message, text) {
		score += 30
	} else if shape(text) == shape(c.Message) {
		score += 20
	} else if skeleton(text) == skeleton(c.Message) {
		score += 10
	}
	score -= unlikeCost * c.unlike(seen)
	return score, line
}

// sameRaise tells panics apart that one helper raises for many callers: the calling line must be the
// log's. Where the helper is called at once, the words must be. Words also rank.
func (c *Config) sameRaise(seen *crash, text string) bool {
	if len(seen.frames) < 2 || len(c.Stack) < 2 {
		return skeleton(text) == skeleton(c.Message)
	}
	_, line := samePlace(seen.frames[1], c.Stack[1])
	return line
}

// misuse is what was wrong with the value that was reflected on: a value that is not there is no wrong kind of value, nor
// one that may not be set or read. Empty where the message tells of none of these.
func misuse(text string) string {
	for _, words := range []string{
		"on zero Value", "unexported field", "unaddressable", "not assignable", "invalid key type", " != ",
	} {
		if strings.Contains(text, words) {
			return words
		}
	}
	return ""
}

// skeleton is a message without its values: numbers, addresses, and what stands in quotes. A quote opens
// only where no word goes on, so that can't holds none, and only if it closes.
func skeleton(s string) string {
	var out strings.Builder
	rest, before := strings.TrimSpace(s), ' '
	for rest != "" {
		r, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
		opens := strings.ContainsRune("\"'`", r) && !unicode.IsLetter(before) && !unicode.IsNumber(before)
		before = r
		if opens {
			if end := strings.IndexRune(rest, r); end >= 0 {
				rest = rest[end+1:]
				out.WriteRune(r)
				out.WriteRune(r)
				continue
			}
		}
		if address, ok := strings.CutPrefix(rest, "x"); ok && r == '0' {
			rest = strings.TrimLeft(address, "0123456789abcdefABCDEF")
		} else if r < '0' || r > '9' {
			out.WriteRune(r)
		}
	}
	return out.String()
}

// shape masks numbers but keeps their signs: [-1] and [5] are different mistakes.
func shape(s string) string {
	var out strings.Builder
	digits := false
	for _, r := range s {
		if r >= '0' && r <= '9' {
			if !digits {
				out.WriteByte('#')
			}
			digits = true
			continue
		}
		digits = false
		out.WriteRune(r)
	}
	return out.String()
}

func messageOf(value any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("%T", value)
		}
	}()
	if err, ok := value.(error); ok {
		return err.Error()
	}
	return fmt.Sprint(value)
}

// classify names the class of a recovered value, in the vocabulary of the log's analysis.
func classify(value any) string {
	text := messageOf(value)
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(text, part) {
				return true
			}
		}
		return false
	}
	if _, ok := value.(asleep); ok {
		return "deadlock"
	}
	if _, ok := value.(*runtime.TypeAssertionError); ok {
		return "type_assertion"
	}
	if _, ok := value.(runtime.Error); !ok {
		switch {
		case strings.HasPrefix(text, "sync: negative WaitGroup"), strings.HasPrefix(text, "sync: WaitGroup"):
			return "wait_group_misuse"
		case strings.HasPrefix(text, "reflect:"), strings.HasPrefix(text, "reflect."):
			return "reflect_misuse"
		}
		return "explicit_panic"
	}
	switch {
	case has("assignment to entry in nil map"):
		return "nil_map_write"
	case has("nil pointer dereference"):
		return "nil_dereference"
	case has("index out of range"):
		return "index_out_of_range"
	case has("slice bounds out of range", "cannot convert slice with length"):
		return "slice_bounds"
	case has("integer divide by zero"):
		return "divide_by_zero"
	case has("close of closed channel", "close of nil channel"):
		return "close_of_channel"
	case has("send on closed channel"):
		return "send_on_closed_channel"
	case has("makeslice", "makechan", "makemap"):
		return "make_length"
	case has("unhashable", "uncomparable"):
		return "uncomparable"
	case has("invalid memory address"):
		return "memory_fault"
	}
	return "explicit_panic"
}
