//go:build go1.21

// Package harness searches for a call that ends in the crash of a log. It knows the functions and types
// of one package (and of those it works with) from registrations, builds arguments by reflection,
// calls, compares the panic with the log's, shrinks what it found and writes it down as Go source.
//
// Everything it does is a pure function of (seed, phase, index), so that an execution which kills the
// process can be done again in a new one.
package harness

import (
	"reflect"
	"strings"
)

// Func is something that can be called: a function or method of the repository, or a piece of the
// standard library written as a format.
type Func struct {
	name     string // as a trace names it: (*Store).Put
	call     string // the identifier to call, with type arguments: Put, Map[int]
	pkg      string // import path; empty for the package under test
	pkgName  string
	method   bool
	exported bool
	value    reflect.Value
	typ      reflect.Type
	format   string   // for the standard library: %s for each argument
	stmt     string   // a statement that declares its value: $v is the variable, $c a second one
	imports  []string // what the format needs
	gen      func(g *generator, depth int) []*Term
}

// key tells a function from all others, in a later build too.
func (f *Func) key(self string) string {
	if f.pkg == "" {
		return self + "." + f.name
	}
	return f.pkg + "." + f.name
}

// Op says how a term makes its value.
type Op int

const (
	opLit    Op = iota // a bool, number or string
	opZero             // nil, or the zero value
	opCall             // fn(args...)
	opStruct           // T{fields: args}
	opAddr             // &args[0]
	opSlice            // []T{args...}
	opMap              // map[K]V{args[0]: args[1], ...}
	opArray            // [n]T{args...}
	opFunc             // func(...) (...) { return }
	opChan             // make(chan T, n), with n = len(args) + 8
	opSelf             // the value whose history this call belongs to
	opShared           // the value that was made before under the same share number
)

// Term is an expression: it can be evaluated, changed, and written as Go.
type Term struct {
	op     Op
	typ    reflect.Type
	lit    reflect.Value
	fn     *Func
	args   []*Term
	fields []int
	then   []*Term // calls on the value once it is made; their first argument is opSelf
	forced bool    // no caller would do this
	closed bool    // a channel that is closed
	fixed  bool    // not made simpler: it would be harder to read
	needed bool    // a field that every caller fills in
	share  int     // other terms may refer to the value by this number; 0: none
}

// size is the number of nodes.
func (t *Term) size() int {
	n := 1
	for _, a := range t.args {
		n += a.size()
	}
	for _, a := range t.then {
		n += a.size()
	}
	return n
}

// isForced reports whether any part is nothing a caller would write.
func (t *Term) isForced() bool {
	if t.forced {
		return true
	}
	for _, a := range t.args {
		if a.isForced() {
			return true
		}
	}
	for _, a := range t.then {
		if a.isForced() {
			return true
		}
	}
	return false
}

// clone copies the tree.
func (t *Term) clone() *Term {
	c := *t
	c.args = cloneAll(t.args)
	c.then = cloneAll(t.then)
	c.fields = append([]int(nil), t.fields...)
	return &c
}

func cloneAll(in []*Term) []*Term {
	out := make([]*Term, len(in))
	for i, t := range in {
		out[i] = t.clone()
	}
	return out
}

// children visits every direct child slot.
func (t *Term) children(visit func(slot **Term)) {
	for i := range t.args {
		visit(&t.args[i])
	}
	for i := range t.then {
		visit(&t.then[i])
	}
}

// Registry holds what can be called and which types there are.
type Registry struct {
	self      string
	funcs     []*Func
	types     []reflect.Type
	seen      map[reflect.Type]bool
	makers    map[reflect.Type][]*Func // by exact first result
	methods   map[reflect.Type][]*Func // by receiver
	built     map[string]bool          // types the package builds with unexported fields set
	std       map[reflect.Type][]*Func
	usable    map[reflect.Type][]*Func // cache of makersOf
	implement map[reflect.Type][]reflect.Type
	extra     []func(reflect.Type) []*Func // further methods of a type
	tagged    []reflect.Type               // structs with json tags
	finish    []func(*Registry)            // once everything is registered
}

// New makes a registry for the package in which the type of self is declared.
func New(self any) *Registry {
	r := &Registry{
		self:      reflect.TypeOf(self).PkgPath(),
		seen:      map[reflect.Type]bool{},
		makers:    map[reflect.Type][]*Func{},
		methods:   map[reflect.Type][]*Func{},
		built:     map[string]bool{},
		std:       map[reflect.Type][]*Func{},
		usable:    map[reflect.Type][]*Func{},
		implement: map[reflect.Type][]reflect.Type{},
	}
	registerStandard(r)
	for _, register := range optional {
		register(r)
	}
	return r
}

// optional parts register themselves here; they are left out where their imports would only cost
// time to link.
var optional []func(*Registry)

// Func registers a function or method expression under the name a trace prints.
func (r *Registry) Func(pkg, pkgName, name string, value any) {
	v := reflect.ValueOf(value)
	f := &Func{name: plainName(name), pkg: pkg, pkgName: pkgName, value: v, typ: v.Type()}
	f.call = name
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		f.method, f.call = true, name[dot+1:]
	}
	f.exported = isExported(f.call) && (!f.method || isExported(strings.TrimLeft(name, "(*")))
	r.funcs = append(r.funcs, f)
	if f.method {
		r.methods[f.typ.In(0)] = append(r.methods[f.typ.In(0)], f)
	}
	if f.typ.NumOut() > 0 {
		r.makers[f.typ.Out(0)] = append(r.makers[f.typ.Out(0)], f)
	}
}

// Type registers a type by a nil pointer to it.
func (r *Registry) Type(pointer any) {
	t := reflect.TypeOf(pointer).Elem()
	if !r.seen[t] {
		r.seen[t] = true
		r.types = append(r.types, t)
	}
}

// Built notes that the source builds this type itself, with unexported fields set.
func (r *Registry) Built(pointer any) {
	r.built[typeKey(reflect.TypeOf(pointer).Elem())] = true
}

func typeKey(t reflect.Type) string { return t.PkgPath() + "." + t.Name() }

func isExported(name string) bool { return name != "" && name[0] >= 'A' && name[0] <= 'Z' }

// plainName drops type arguments: (*List[int]).Push is (*List).Push.
func plainName(name string) string {
	var out strings.Builder
	depth := 0
	for _, c := range name {
		switch {
		case c == '[':
			depth++
		case c == ']' && depth > 0:
			depth--
		case depth == 0:
			out.WriteRune(c)
		}
	}
	return out.String()
}

// find returns the registered functions of the package under test with this name.
func (r *Registry) find(name string) []*Func {
	var out []*Func
	for _, f := range r.funcs {
		if f.pkg == "" && f.name == name {
			out = append(out, f)
		}
	}
	return out
}

// makersOf lists the functions whose first result can stand where t is wanted: constructors before
// anything else.
func (r *Registry) makersOf(t reflect.Type) []*Func {
	if out, ok := r.usable[t]; ok {
		return out
	}
	var constructors, others []*Func
	for _, f := range r.funcs {
		if f.typ.NumOut() == 0 || !f.typ.Out(0).AssignableTo(t) || f.typ.Out(0).Kind() == reflect.Interface && t.Kind() != reflect.Interface {
			continue
		}
		if t.Kind() == reflect.Interface && f.typ.Out(0) != t && (t.NumMethod() == 0 || t == errorType) {
			continue
		}
		if f.typ.NumOut() > 3 || f.pkg != "" && !f.exported || takes(f, t) {
			continue
		}
		if isConstructor(f) {
			constructors = append(constructors, f)
		} else {
			others = append(others, f)
		}
	}
	out := append(constructors, others...)
	r.usable[t] = out
	return out
}

// takes reports whether f needs a t to give a t: a decorator, not a source.
func takes(f *Func, t reflect.Type) bool {
	for i := 0; i < f.typ.NumIn(); i++ {
		if f.typ.In(i) == t {
			return true
		}
	}
	return false
}

func isConstructor(f *Func) bool {
	if f.method {
		return false
	}
	for _, prefix := range []string{"New", "new", "Make", "make", "Open", "open", "Must", "Create", "Build", "build"} {
		if strings.HasPrefix(f.call, prefix) {
			return true
		}
	}
	return false
}

// hasConstructor reports whether the packages offer a constructor of t or *t.
func (r *Registry) hasConstructor(t reflect.Type) bool {
	for _, want := range []reflect.Type{t, reflect.PointerTo(t)} {
		for _, f := range r.makers[want] {
			if isConstructor(f) {
				return true
			}
		}
	}
	return false
}

// methodsOf lists what can be called on a value of this type that stands in a variable.
func (r *Registry) methodsOf(t reflect.Type) []*Func {
	out := append([]*Func(nil), r.methods[t]...)
	if t.Kind() == reflect.Pointer {
		out = append(out, r.methods[t.Elem()]...)
	} else {
		out = append(out, r.methods[reflect.PointerTo(t)]...)
	}
	for _, extra := range r.extra {
		out = append(out, extra(t)...)
	}
	return out
}

// implementers lists registered concrete types that satisfy an interface.
func (r *Registry) implementers(t reflect.Type) []reflect.Type {
	if out, ok := r.implement[t]; ok {
		return out
	}
	var out []reflect.Type
	for _, c := range r.types {
		if c.Kind() == reflect.Interface {
			continue
		}
		if c.Implements(t) {
			out = append(out, c)
		} else if reflect.PointerTo(c).Implements(t) {
			out = append(out, reflect.PointerTo(c))
		}
	}
	r.implement[t] = out
	return out
}
