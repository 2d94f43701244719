//go:build go1.21

package harness

import "reflect"

var (
	errorType = reflect.TypeOf((*error)(nil)).Elem()
	anyType   = reflect.TypeOf((*any)(nil)).Elem()
)

const (
	maxDepth = 8
	maxNodes = 200
)

// generator makes the terms of one execution.
type generator struct {
	reg      *Registry
	config   *Config
	rng      *rng
	forced   bool            // may do what no caller would
	timed    bool            // contexts end by themselves
	faithful bool            // passes what the log says was passed
	loyal    bool            // keeps to few words, so that what is stored is found again
	without  map[string]bool // what it may not call
	words    []string
	ints     []int64
	shared   map[reflect.Type]int // the services that were made
	nodes    int
}

func (g *generator) node(t Term) *Term {
	g.nodes++
	return &t
}

func (g *generator) zero(t reflect.Type) *Term { return g.node(Term{op: opZero, typ: t}) }

// callTerm is a call of f whose arguments are generated, the first `have` excepted.
func (g *generator) callTerm(f *Func, depth int, have ...*Term) *Term {
	args := have
	if f.gen != nil {
		return g.node(Term{op: opCall, fn: f, args: append(args, f.gen(g, depth)...)})
	}
	n := f.typ.NumIn()
	if f.typ.IsVariadic() {
		n--
	}
	var passed []passedWord
	if depth == 0 && len(have) == 0 && g.faithful {
		passed = g.passed(f)
	}
	for i := len(have); i < n; i++ {
		var arg *Term
		if i < len(passed) {
			arg = g.told(f.typ.In(i), passed[i], depth)
		}
		if arg == nil {
			arg = g.value(f.typ.In(i), depth)
		}
		args = append(args, arg)
	}
	if f.typ.IsVariadic() {
		for i := g.length(); i > 0 && len(args) < n+4; i-- {
			args = append(args, g.value(paramType(f.typ, n), depth+1))
		}
	}
	term := g.node(Term{op: opCall, fn: f, args: args})
	return term
}

// made is a call used for its value.
func (g *generator) made(f *Func, depth int) *Term {
	t := g.callTerm(f, depth)
	t.typ = f.typ.Out(0)
	return t
}

// allowed leaves out what ends the process.
func (g *generator) allowed(fns []*Func) []*Func {
	if len(g.without) == 0 {
		return fns
	}
	var out []*Func
	for _, fn := range fns {
		if !g.without[fn.key(g.reg.self)] {
			out = append(out, fn)
		}
	}
	return out
}

// makersOf lists what makes a value of a type. Where all of it ends the process at times, there is no other.
func (g *generator) makersOf(t reflect.Type) []*Func {
	makers := g.reg.makersOf(t)
	if allowed := g.allowed(makers); len(allowed) > 0 {
		return allowed
	}
	return makers
}

// value makes a term for a parameter (depth 0) or a part of one.
func (g *generator) value(t reflect.Type, depth int) *Term {
	if depth > maxDepth || g.nodes > maxNodes {
		return g.flat(t, depth)
	}
	if makers := g.reg.std[t]; len(makers) > 0 {
		f := makers[g.rng.n(len(makers))]
		if g.timed && t == contextType {
			f = timedContext
		}
		return g.history(g.made(f, depth+1), t, depth)
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface:
		return g.service(t, depth)
	case reflect.Struct:
		return g.object(t, depth)
	}
	if makers := g.makersOf(t); t.Name() != "" && t.PkgPath() != "" && len(makers) > 0 && g.rng.pct(25) {
		return g.made(g.choose(makers), depth+1)
	}
	switch t.Kind() {
	case reflect.Slice:
		return g.slice(t, depth)
	case reflect.Array:
		term := g.node(Term{op: opArray, typ: t})
		for i := 0; i < t.Len() && i < 16; i++ {
			term.args = append(term.args, g.value(t.Elem(), depth+1))
		}
		return term
	case reflect.Map:
		return g.mapping(t, depth)
	case reflect.Func:
		if g.forced && g.rng.pct(20) {
			return g.node(Term{op: opZero, typ: t, forced: true})
		}
		return g.node(Term{op: opFunc, typ: t})
	case reflect.Chan:
		// Who feeds a channel may be what never ends.
		if makers := g.makersOf(t); g.config.Class == "deadlock" && len(makers) > 0 && g.rng.pct(60) {
			return g.made(g.choose(makers), depth+1)
		}
		closed := g.rng.pct(40) || g.config.Class == "deadlock" && t.ChanDir() == reflect.RecvDir // else nobody ends it
		term := g.node(Term{op: opChan, typ: t, closed: closed && g.mayBeClosed(t)})
		for i := g.rng.n(3); i > 0; i-- {
			term.args = append(term.args, g.value(t.Elem(), depth+1))
		}
		return term
	}
	return g.basic(t)
}

// mayBeClosed tells whether a closed channel says anything of the program: who hands in one to send on, or to close,
// is to blame for the crash.
func (g *generator) mayBeClosed(t reflect.Type) bool {
	return t.ChanDir() == reflect.RecvDir || g.config.Class != "send_on_closed_channel" && g.config.Class != "close_of_channel"
}

// flat ends the recursion.
func (g *generator) flat(t reflect.Type, depth int) *Term {
	switch t.Kind() {
	case reflect.Interface, reflect.Pointer, reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return g.node(Term{op: opZero, typ: t, forced: depth <= 1 || g.isService(t)})
	case reflect.Slice, reflect.Map, reflect.Struct, reflect.Array:
		return g.zero(t)
	}
	return g.basic(t)
}

func (g *generator) basic(t reflect.Type) *Term {
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(g.rng.pct(50))
	case reflect.String:
		v.SetString(g.text())
	case reflect.Float32, reflect.Float64:
		v.SetFloat(g.float())
	case reflect.Complex64, reflect.Complex128:
		v.SetComplex(complex(g.float(), g.float()))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(g.sharedInt())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		n := g.sharedInt()
		if n < 0 && g.rng.pct(80) {
			n = -n
		}
		v.SetUint(uint64(n))
	default:
		return g.zero(t)
	}
	return g.node(Term{op: opLit, typ: t, lit: v})
}

func (g *generator) sharedInt() int64 {
	if len(g.ints) > 0 && g.rng.pct(25) {
		return g.ints[g.rng.n(len(g.ints))]
	}
	n := g.integer()
	g.ints = append(g.ints, n)
	return n
}

func (g *generator) float() float64 {
	if g.rng.pct(70) {
		return float64(g.sharedInt())
	}
	return float64(g.integer()) / float64(1+g.rng.n(100))
}

// isBytes: such a list is written as a text.
func isBytes(t reflect.Type) bool {
	return t.Elem().Kind() == reflect.Uint8 && t.Elem().PkgPath() == ""
}

func (g *generator) literalOf(t reflect.Type, set func(reflect.Value)) *Term {
	v := reflect.New(t).Elem()
	set(v)
	return g.node(Term{op: opLit, typ: t, lit: v})
}

func (g *generator) slice(t reflect.Type, depth int) *Term {
	if isBytes(t) {
		return g.literalOf(t, func(v reflect.Value) { v.SetBytes([]byte(g.text())) })
	}
	if g.rng.pct(10) {
		return g.zero(t)
	}
	term := g.node(Term{op: opSlice, typ: t})
	for i := g.length(); i > 0 && g.nodes < maxNodes; i-- {
		term.args = append(term.args, g.value(t.Elem(), depth+1))
	}
	return term
}

func (g *generator) mapping(t reflect.Type, depth int) *Term {
	// Reading a nil map is fine, writing to one that we passed is our own doing.
	if g.rng.pct(8) && (depth > 0 || g.forced || g.config.Class != "nil_map_write") {
		return g.node(Term{op: opZero, typ: t, forced: depth == 0 && g.config.Class == "nil_map_write"})
	}
	term := g.node(Term{op: opMap, typ: t})
	for i := g.length(); i > 0 && g.nodes < maxNodes; i-- {
		key := g.value(t.Key(), depth+1)
		if len(g.config.Keys) > 0 && key.op == opLit && key.lit.Kind() == reflect.String && g.rng.pct(65) {
			key.lit = reflect.ValueOf(g.config.Keys[g.rng.n(len(g.config.Keys))].Name).Convert(key.typ)
		}
		if !repeats(term.args, key) {
			term.args = append(term.args, key, g.value(t.Elem(), depth+1))
		}
	}
	return term
}

// repeats reports whether a literal key stands among the entries: Go refuses such a literal.
func repeats(entries []*Term, key *Term) bool {
	if key.op == opLit && !key.lit.Comparable() {
		// Nothing can stand under such a key.
		return true
	}
	for i := 0; i+1 < len(entries); i += 2 {
		same := entries[i].op == key.op && (key.op != opLit || entries[i].lit.Equal(key.lit))
		if same {
			return true
		}
	}
	return false
}

// zoo holds the types that usually come in an `any`: what JSON decoding gives, and what people pass.
var zoo = []reflect.Type{
	reflect.TypeOf(""), reflect.TypeOf(float64(0)), reflect.TypeOf(true), reflect.TypeOf(map[string]any(nil)),
	reflect.TypeOf([]any(nil)), reflect.TypeOf(0), reflect.TypeOf(int64(0)), reflect.TypeOf([]string(nil)),
	reflect.TypeOf(map[string]string(nil)), reflect.TypeOf([]byte(nil)), reflect.TypeOf(uint64(0)),
	reflect.TypeOf(int32(0)), reflect.TypeOf(float32(0)), reflect.TypeOf(struct{}{}), reflect.TypeOf([]int(nil)),
	reflect.TypeOf(uint8(0)),
}

func (g *generator) anything(depth int) *Term {
	r := g.rng
	if g.config.Actual != "" && r.pct(35) {
		for _, t := range append(zoo, g.reg.types...) {
			if t.String() == g.config.Actual {
				return g.value(t, depth+1)
			}
			if "*"+t.String() == g.config.Actual {
				return g.value(reflect.PointerTo(t), depth+1)
			}
		}
	}
	if g.config.UsesReflect && r.pct(40) {
		return g.value(g.someShape(), depth+1)
	}
	switch p := r.n(100); {
	case p < 8:
		return g.zero(anyType)
	case p < 65:
		return g.value(zoo[r.n(5)], depth+1)
	case p < 85 || len(g.reg.types) == 0:
		return g.value(zoo[r.n(len(zoo))], depth+1)
	}
	t := g.reg.types[r.n(len(g.reg.types))]
	if t.Kind() == reflect.Struct && r.pct(50) {
		t = reflect.PointerTo(t)
	}
	return g.value(t, depth+1)
}
