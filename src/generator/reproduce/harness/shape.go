//go:build go1.21

package harness

// Types that nobody declared: code that works by reflection meets whatever its callers have. They are put
// together at run time, and written out where they are used.

import (
	"reflect"
	"strconv"
	"strings"
)

// What callers declare themselves. A test declares them where it needs them.
type (
	// Text is a text with a name of its own.
	Text string
	// Number is a number with a name of its own.
	Number int
	// Part is a struct to be embedded, or held by a pointer.
	Part struct {
		Name  string
		Count int
	}
	// Chain holds another of itself.
	Chain struct {
		Value any
		Next  *Chain
	}
)

// declarations are the sources of those types, for the test; %s is the empty interface.
var declarations = map[reflect.Type]string{
	reflect.TypeOf(Text("")):  "type Text string",
	reflect.TypeOf(Number(0)): "type Number int",
	reflect.TypeOf(Part{}):    "type Part struct {\nName string\nCount int\n}",
	reflect.TypeOf(Chain{}):   "type Chain struct {\nValue %s\nNext *Chain\n}",
}

const (
	maxShape = 3
	// Types that were put together are never freed: so many there are at most, of each seed.
	maxShapes = 512
)

// someShape gives one of the types that can be put together. Which one it is depends on its number alone.
func (g *generator) someShape() reflect.Type {
	apart := &generator{reg: g.reg, config: g.config, rng: newRng(g.config.Seed, uint64(g.rng.n(maxShapes)))}
	return apart.shape(0)
}

// shape puts a type together.
func (g *generator) shape(depth int) reflect.Type {
	r := g.rng
	part := func() reflect.Type { return g.shape(depth + 1) }
	kind := r.n(100)
	switch {
	case depth >= maxShape || kind < 30:
		return zoo[r.n(len(zoo))]
	case kind < 40:
		return []reflect.Type{reflect.TypeOf(Text("")), reflect.TypeOf(Number(0)), reflect.TypeOf(Part{}), reflect.TypeOf(Chain{})}[r.n(4)]
	case kind < 50:
		return reflect.PointerTo(part())
	case kind < 57:
		return reflect.SliceOf(part())
	case kind < 63:
		return reflect.ArrayOf(r.n(3), part())
	case kind < 75:
		keys := []reflect.Type{reflect.TypeOf(""), reflect.TypeOf(""), reflect.TypeOf(Text("")), reflect.TypeOf(0), reflect.TypeOf(Number(0)), anyType}
		return reflect.MapOf(keys[r.n(len(keys))], part())
	case kind < 78 && len(g.reg.types) > 0:
		return g.reg.types[r.n(len(g.reg.types))]
	}
	return g.structure(part)
}

// structure is a struct whose fields have the names and tags that the package speaks of.
func (g *generator) structure(part func() reflect.Type) reflect.Type {
	var fields []reflect.StructField
	seen := map[string]bool{}
	for i := 1 + g.rng.n(3); i > 0; i-- {
		field := reflect.StructField{Name: g.fieldName(), Type: part(), Tag: g.tag()}
		if g.rng.pct(15) {
			field = reflect.StructField{Name: "Part", Type: reflect.TypeOf(Part{}), Anonymous: true, Tag: g.tag()}
			if g.rng.pct(50) {
				field.Type = reflect.PointerTo(field.Type)
			}
		}
		if !seen[field.Name] {
			seen[field.Name] = true
			fields = append(fields, field)
		}
	}
	return reflect.StructOf(fields)
}

// fieldName makes a name of a member that the log or the code speaks of.
func (g *generator) fieldName() string {
	name := ""
	if len(g.config.Keys) > 0 && g.rng.pct(60) {
		name = g.config.Keys[g.rng.n(len(g.config.Keys))].Name
	} else if g.rng.pct(40) {
		name = g.word()
	}
	for i, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9') {
			name = ""
			break
		}
	}
	if name == "" || len(name) > 20 {
		return string(rune('A' + g.rng.n(4)))
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// tag is one of those that stand in the sources.
func (g *generator) tag() reflect.StructTag {
	if len(g.config.Tags) == 0 || g.rng.pct(50) {
		return ""
	}
	return reflect.StructTag(g.config.Tags[g.rng.n(len(g.config.Tags))])
}

func isPart(t reflect.Type) bool {
	return t == reflect.TypeOf(Part{}) || t == reflect.TypeOf((*Part)(nil))
}

// plainer gives a term of a type that was put together a simpler one: without the fields that nothing is put
// into, of plain elements where there are none. Where the place asks for the type, the call cannot be made.
func plainer(t *Term) *Term {
	if t.typ == nil || t.typ.Name() != "" {
		return nil
	}
	c := t.clone()
	plain := reflect.TypeOf(0)
	switch {
	case t.op == opStruct && len(t.fields) < t.typ.NumField():
		var fields []reflect.StructField
		for i, field := range t.fields {
			f := t.typ.Field(field)
			if f.PkgPath != "" || f.Anonymous && !isPart(f.Type) {
				// The repository's own: not everything that can be declared can be put together.
				return nil
			}
			fields = append(fields, f)
			c.fields[i] = i
		}
		c.typ = reflect.StructOf(fields)
	case t.op == opMap:
		c.typ = reflect.MapOf(t.typ.Key(), plain)
		for i := 1; i < len(c.args); i += 2 {
			c.args[i] = &Term{op: opZero, typ: plain}
		}
	case t.op == opSlice:
		c.typ = reflect.SliceOf(plain)
		for i := range c.args {
			c.args[i] = &Term{op: opZero, typ: plain}
		}
	case t.op == opZero && t.typ.Kind() == reflect.Pointer:
		c.typ = reflect.PointerTo(plain)
	case t.op == opZero && t.typ.Kind() == reflect.Slice:
		c.typ = reflect.SliceOf(plain)
	}
	if c.typ == t.typ {
		return nil
	}
	return c
}

// shapeName writes such a type; empty for any other.
func (w *writer) shapeName(t reflect.Type) string {
	if declaration, ok := declarations[t]; ok {
		if !w.declared[t] {
			if w.taken[t.Name()] {
				panic(errUnwritable)
			}
			w.taken[t.Name()], w.declared[t] = true, true
			w.lines = append([]string{strings.ReplaceAll(declaration, "%s", w.any)}, w.lines...)
		}
		return t.Name()
	}
	if t.Kind() != reflect.Struct || t.Name() != "" || t.NumField() == 0 {
		return ""
	}
	out := "struct {\n"
	for i := 0; i < t.NumField(); i++ {
		field := t.Field(i)
		if field.PkgPath != "" && field.PkgPath != w.self {
			panic(errUnwritable)
		}
		if !field.Anonymous {
			out += field.Name + " "
		}
		out += w.typeName(field.Type)
		if field.Tag != "" {
			out += " " + tagText(string(field.Tag))
		}
		out += "\n"
	}
	return out + "}"
}

func tagText(tag string) string {
	if strings.ContainsAny(tag, "`\n") {
		return strconv.Quote(tag)
	}
	return "`" + tag + "`"
}
