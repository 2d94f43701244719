//go:build go1.21

package harness

// Pointers, structs and interfaces: built as the package builds them, and used before the crash.

import (
	"reflect"
	"strings"
)

// service makes a pointer or an interface. Parts of a program that need the same service are mostly
// given the same one.
func (g *generator) service(t reflect.Type, depth int) *Term {
	make := g.pointer
	if t.Kind() == reflect.Interface {
		make = g.iface
	}
	chance, guarded := 90, g.isGuarded(t)
	if !g.isService(t) {
		if !guarded {
			return make(t, depth)
		}
		chance = 40
	}
	if id, ok := g.shared[t]; ok && g.rng.pct(chance) {
		return g.node(Term{op: opShared, typ: t, share: id})
	}
	term := make(t, depth)
	if _, known := g.shared[t]; !known && (term.op == opCall || guarded && term.op == opAddr) && term.share == 0 {
		if g.shared == nil {
			g.shared = map[reflect.Type]int{}
		}
		term.share = len(g.shared) + 1
		g.shared[t] = term.share
	}
	return term
}

func (g *generator) pointer(t reflect.Type, depth int) *Term {
	if depth == 0 {
		if g.forced && g.rng.pct(15) {
			return g.node(Term{op: opZero, typ: t, forced: true})
		}
	} else if g.rng.pct(12) && !g.isService(t) {
		return g.zero(t)
	}
	elem := t.Elem()
	if elem.Kind() != reflect.Struct {
		return g.node(Term{op: opAddr, typ: t, args: []*Term{g.value(elem, depth+1)}})
	}
	if makers := g.makersOf(t); len(makers) > 0 && !(g.forced && g.rng.pct(30)) {
		if f := g.choose(makers); isConstructor(f) || g.rng.pct(60) || g.unwritable(elem) {
			return g.history(g.made(f, depth+1), t, depth)
		}
	}
	return g.history(g.node(Term{op: opAddr, typ: t, args: []*Term{g.literal(elem, depth)}}), t, depth)
}

func (g *generator) object(t reflect.Type, depth int) *Term {
	if makers := g.makersOf(t); len(makers) > 0 && (g.reg.hasConstructor(t) || g.unwritable(t) || g.rng.pct(20)) && !(g.forced && g.rng.pct(30)) {
		return g.history(g.made(g.choose(makers), depth+1), t, depth)
	}
	return g.history(g.literal(t, depth), t, depth)
}

// choose prefers constructors, which stand first.
func (g *generator) choose(makers []*Func) *Func {
	n := 0
	for n < len(makers) && isConstructor(makers[n]) {
		n++
	}
	if n > 0 && g.rng.pct(85) {
		return makers[g.rng.n(n)]
	}
	return makers[g.rng.n(len(makers))]
}

// unwritable: the name of such a type cannot be used here.
func (g *generator) unwritable(t reflect.Type) bool {
	return t.PkgPath() != "" && t.PkgPath() != g.reg.self && !isExported(t.Name())
}

// literal is T{...}: exported fields, and with force the others too.
func (g *generator) literal(t reflect.Type, depth int) *Term {
	term := g.node(Term{op: opStruct, typ: t})
	hidden := false
	own := t.PkgPath() == g.reg.self
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		exported := f.PkgPath == ""
		hidden = hidden || !exported
		settable := exported || own && g.forced && g.rng.pct(60) && f.Name != "_"
		needed := exported && g.isService(f.Type) && !(g.forced && g.rng.pct(10))
		if !settable || !needed && (g.rng.pct(25) || g.nodes > maxNodes || depth > maxDepth) {
			continue
		}
		value := g.value(f.Type, depth+1)
		value.needed = needed
		term.fields = append(term.fields, i)
		term.args = append(term.args, value)
		term.forced = term.forced || !exported
	}
	if hidden && (g.reg.hasConstructor(t) || g.reg.built[typeKey(t)]) {
		term.forced = true
	}
	return term
}

// isService: what a struct cannot do without. Nobody who builds one leaves it out, so a crash without
// it says nothing; data that may be absent is something else.
func (g *generator) isService(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Func, reflect.Chan:
		return true
	case reflect.Interface:
		return t.NumMethod() > 0 && t != errorType
	case reflect.Pointer:
		return len(g.reg.std[t]) > 0 || t.Elem().Kind() == reflect.Struct && g.reg.hasConstructor(t.Elem())
	}
	return false
}

// isGuarded: whoever takes the locks of two such values may be given one twice.
func (g *generator) isGuarded(t reflect.Type) bool {
	if g.config.Class != "deadlock" || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return false
	}
	for i := 0; i < t.Elem().NumField(); i++ {
		if field := t.Elem().Field(i).Type; field.PkgPath() == "sync" && strings.HasSuffix(field.Name(), "Mutex") {
			return true
		}
	}
	return false
}

// iface makes a value for an interface.
func (g *generator) iface(t reflect.Type, depth int) *Term {
	if t.NumMethod() == 0 {
		return g.anything(depth)
	}
	if t == errorType && g.rng.pct(50) {
		return g.zero(t)
	}
	if g.forced && g.rng.pct(10) {
		return g.node(Term{op: opZero, typ: t, forced: true})
	}
	makers, types := g.makersOf(t), g.reg.implementers(t)
	if len(makers) > 0 && (len(types) == 0 || g.rng.pct(60)) {
		return g.history(g.made(g.choose(makers), depth+1), t, depth)
	}
	if len(types) > 0 {
		return g.value(types[g.rng.n(len(types))], depth+1)
	}
	return g.node(Term{op: opZero, typ: t, forced: t != errorType})
}

// history adds calls on a value that has just been made: what a program does before the crash.
func (g *generator) history(term *Term, t reflect.Type, depth int) *Term {
	chance := []int{65, 45, 30, 25, 20, 10}
	if depth >= len(chance) || !g.rng.pct(chance[depth]) || g.nodes > maxNodes/2 {
		return term
	}
	actual := term.typ
	if actual == nil {
		actual = t
	}
	var methods []*Func
	for _, m := range g.allowed(g.reg.methodsOf(actual)) {
		if (m.exported || m.pkg == "" && !isExported(receiverName(m)) && m.pkgName == "main") && !blocks(m.call) && !(g.config.Class == "deadlock" && closes(m.call)) {
			methods = append(methods, m)
		}
	}
	if len(methods) == 0 {
		return term
	}
	for i := 1 + g.rng.n(3) + g.rng.n(3); i > 0 && g.nodes < maxNodes; i-- {
		m := methods[g.rng.n(len(methods))]
		self := g.node(Term{op: opSelf, typ: actual})
		term.then = append(term.then, g.callTerm(m, depth+1, self))
	}
	return term
}

func receiverName(f *Func) string {
	return strings.TrimLeft(strings.SplitN(f.name, ".", 2)[0], "(*")
}

// closes tells by its name that nobody uses an object after a method: what waits then, waits for nobody.
func closes(name string) bool {
	name = strings.ToLower(name)
	for _, word := range strings.Fields("close stop shutdown quit terminate kill finish end cancel abort disconnect release destroy dispose") {
		if strings.HasPrefix(name, word) {
			return true
		}
	}
	return false
}

// blocks tells by its name that a method runs until the program ends.
func blocks(name string) bool {
	for _, word := range []string{"Run", "Serve", "ListenAndServe", "Loop", "Wait"} {
		if strings.HasPrefix(name, word) {
			return true
		}
	}
	return false
}
