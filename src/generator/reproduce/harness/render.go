//go:build go1.21

package harness

import (
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"unicode"
)

// writer writes a term as the statements of a test: what a person would have typed.
type writer struct {
	self     string
	any      string // how the language of the package spells it
	taken    map[string]bool
	imports  map[string]string // path -> name
	lines    []string
	root     *Term // the call that is written
	split    bool  // it is long: its larger arguments get variables
	refers   map[int]bool
	shared   map[int]string        // the variables of what is shared
	declared map[reflect.Type]bool // types that stand in the test already
	giveUp   string                // what the test does with an error of its preparation
}

// errUnwritable is the panic of a value that Go source cannot express here.
var errUnwritable = errors.New("it cannot be written down")

// write gives the imports, the statements that prepare the call, and the call.
func write(t *Term, self string, config *Config) (imports []Import, setup, call string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	// The first pass only learns which imports there are, so that no variable takes the name of one.
	first := newWriter(t, self, config)
	long := len(first.call(t, "")) > 90
	w := newWriter(t, self, config)
	for _, name := range first.imports {
		w.taken[name] = true
	}
	w.split = long
	w.root = t
	call = w.call(t, "")
	for path, name := range w.imports {
		imports = append(imports, Import{Name: name, Path: path})
	}
	sort.Slice(imports, func(i, j int) bool { return imports[i].Path < imports[j].Path })
	return imports, strings.Join(w.lines, "\n"), call, nil
}

func newWriter(root *Term, self string, config *Config) *writer {
	w := &writer{self: self, any: config.Any, taken: map[string]bool{}, imports: map[string]string{}, refers: map[int]bool{}, shared: map[int]string{}, declared: map[reflect.Type]bool{}, giveUp: "t.Fatal(err)"}
	references(root, w.refers)
	for _, names := range [][]string{config.Taken, strings.Fields(reserved)} {
		for _, name := range names {
			w.taken[name] = true
		}
	}
	return w
}

// reserved names are Go's, and those that the test around the call uses.
const reserved = `t err done stacks testing time runtime goruntime
break case chan const continue default defer else fallthrough for func go goto if import interface map
package range return select struct switch type var
append cap clear close copy len make max min new nil true false any error string int`

func (w *writer) line(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

// use imports a package and returns the name to call it by. The standard library's names in formats
// are fixed, and so are those of the packages: two of one name cannot stand together here.
func (w *writer) use(path, name string) string {
	if path == "" || path == w.self {
		return ""
	}
	if known, ok := w.imports[path]; ok {
		return known + "."
	}
	for _, other := range w.imports {
		if other == name {
			name += "2"
		}
	}
	w.imports[path] = name
	w.taken[name] = true
	return name + "."
}

func (w *writer) std(imports []string) {
	for _, path := range imports {
		w.use(path, path[strings.LastIndexByte(path, '/')+1:])
	}
}

// statement writes a call for its effect.
func (w *writer) statement(t *Term, self string) {
	w.line("%s", w.call(t, self))
}

// expr writes a value; want is the type of the place it goes to.
func (w *writer) expr(t *Term, want reflect.Type, self string) string {
	switch {
	case t.op == opSelf:
		return self
	case t.op == opShared && w.shared[t.share] == "":
		panic(errUnwritable)
	case t.op == opShared:
		return w.shared[t.share]
	}
	if w.refers[t.share] || len(t.then) > 0 || t.op == opCall && (t.fn.stmt != "" || t.fn.typ.NumOut() > 1) || t.op == opAddr && t.args[0].op != opStruct || t.op == opChan && (len(t.args) > 0 || t.closed) {
		return w.variable(t)
	}
	switch t.op {
	case opLit:
		return w.literal(t.lit, want)
	case opZero:
		return w.zero(t.typ, want)
	case opCall:
		return w.call(t, self)
	case opAddr:
		return "&" + w.expr(t.args[0], t.typ.Elem(), self)
	case opFunc:
		return w.function(t.typ)
	case opChan:
		return "make(" + w.typeName(reflect.ChanOf(reflect.BothDir, t.typ.Elem())) + ", 8)"
	}
	return w.composite(t, self)
}

func (w *writer) composite(t *Term, self string) string {
	var parts []string
	switch t.op {
	case opStruct:
		for i, field := range t.fields {
			f := t.typ.Field(field)
			parts = append(parts, f.Name+": "+w.expr(t.args[i], f.Type, self))
		}
	case opMap:
		for i := 0; i+1 < len(t.args); i += 2 {
			parts = append(parts, w.expr(t.args[i], t.typ.Key(), self)+": "+w.expr(t.args[i+1], t.typ.Elem(), self))
		}
	case opSlice, opArray:
		for _, arg := range t.args {
			parts = append(parts, w.expr(arg, t.typ.Elem(), self))
		}
	default:
		panic(errUnwritable)
	}
	inner := strings.Join(parts, ", ")
	if len(inner) > 70 && len(parts) > 1 || strings.Contains(inner, "\n") {
		inner = "\n" + strings.Join(parts, ",\n") + ",\n"
	}
	return w.typeName(t.typ) + "{" + inner + "}"
}

// call writes a call without its results.
func (w *writer) call(t *Term, self string) string {
	var args []string
	for i, arg := range t.args {
		if w.split && t == w.root && arg.op == opCall && arg.size() > 1 {
			args = append(args, w.variable(arg))
			continue
		}
		args = append(args, w.expr(arg, paramType(t.fn.typ, i), self))
	}
	if t.fn.format != "" {
		in := make([]any, len(args))
		for i := range args {
			in[i] = args[i]
		}
		text := strings.ReplaceAll(fmt.Sprintf(t.fn.format, in...), `, strings.NewReader(""))`, ", nil)")
		for _, path := range t.fn.imports {
			if strings.Contains(text, path[strings.LastIndexByte(path, '/')+1:]+".") {
				w.std([]string{path})
			}
		}
		return text
	}
	if t.fn.method {
		receiver := args[0]
		if strings.HasPrefix(receiver, "&") || strings.HasPrefix(receiver, "*") {
			receiver = "(" + receiver + ")"
		}
		if t.args[0].op == opZero {
			receiver = "(" + w.typeName(t.fn.typ.In(0)) + ")(nil)"
		} else if t.args[0].op == opLit || t.args[0].op == opStruct && t.fn.typ.In(0).Kind() != reflect.Pointer {
			receiver = w.expr(t.args[0], anyType, self)
		}
		return receiver + "." + t.fn.call + "(" + strings.Join(args[1:], ", ") + ")"
	}
	return w.use(t.fn.pkg, t.fn.pkgName) + t.fn.call + "(" + strings.Join(args, ", ") + ")"
}

// variable declares one for the value, and writes its history.
func (w *writer) variable(t *Term) string {
	then := t.then
	bare := *t
	bare.then, bare.share = nil, 0
	var name string
	switch {
	case t.op == opCall && t.fn.stmt != "":
		name = w.fresh("ctx")
		w.std(t.fn.imports)
		w.line("%s", strings.NewReplacer("$v", name, "$c", w.fresh("cancel")).Replace(t.fn.stmt))
	case t.op == opCall && t.fn.typ.NumOut() > 1:
		name = w.results(&bare)
	case t.op == opAddr && t.args[0].op != opStruct:
		value := w.expr(t.args[0], anyType, "")
		pointee := w.fresh(variableName(t.typ.Elem()))
		if elem := t.typ.Elem(); t.args[0].typ != nil && t.args[0].typ != elem {
			// What makes it may give a type that is only assignable, and has no methods.
			w.line("var %s %s = %s", pointee, w.typeName(elem), value)
		} else {
			w.line("%s := %s", pointee, value)
		}
		name = "&" + pointee
	case t.op == opChan:
		name = w.fresh("queue")
		w.line("%s := make(%s, %d)", name, w.typeName(reflect.ChanOf(reflect.BothDir, t.typ.Elem())), len(t.args)+8)
		for _, arg := range t.args {
			w.line("%s <- %s", name, w.expr(arg, t.typ.Elem(), ""))
		}
		if t.closed {
			w.line("close(%s)", name)
		}
	default:
		value := w.expr(&bare, anyType, "")
		name = w.fresh(variableName(t.typ))
		w.line("%s := %s", name, value)
	}
	if t.share != 0 {
		w.shared[t.share] = name
	}
	for _, call := range then {
		w.statement(call, name)
	}
	return name
}

// references notes which shared values are referred to.
func references(t *Term, out map[int]bool) {
	if t.op == opShared {
		out[t.share] = true
	}
	t.children(func(slot **Term) { references(*slot, out) })
}

// results declares a variable for the first result and checks the error.
func (w *writer) results(t *Term) string {
	call := w.call(t, "")
	name := w.fresh(variableName(t.typ))
	names := []string{name}
	last := t.fn.typ.NumOut() - 1
	for i := 1; i < last; i++ {
		names = append(names, "_")
	}
	if t.fn.typ.Out(last) != errorType {
		w.line("%s, _ := %s", strings.Join(names, ", "), call)
		return name
	}
	w.line("%s, err := %s", strings.Join(names, ", "), call)
	w.line("if err != nil {\n%s\n}", w.giveUp)
	return name
}

// variableName makes a name from a type's.
func variableName(t reflect.Type) string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && t.Name() == "" {
		t = t.Elem()
	}
	name, _, _ := strings.Cut(t.Name(), "[")
	if name == "" || t.PkgPath() == "" {
		return "value"
	}
	upper := 0
	for upper < len(name) && unicode.IsUpper(rune(name[upper])) {
		upper++
	}
	if upper > 1 && upper < len(name) {
		upper--
	}
	return strings.ToLower(name[:upper]) + name[upper:]
}

func (w *writer) fresh(name string) string {
	for i, base := 2, name; w.taken[name]; i++ {
		name = base + strconv.Itoa(i)
	}
	w.taken[name] = true
	return name
}
