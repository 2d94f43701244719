//go:build go1.21

package harness

import "reflect"

// shrinks lists simpler forms of a term, the boldest first. The order is fixed, so that a step is
// known by its number in a later process too.
func shrinks(root *Term) []*Term {
	var out []*Term
	var walk func(slot **Term, owner *Term)
	walk = func(slot **Term, owner *Term) {
		node := *slot
		for _, simpler := range simpler(node) {
			*slot = simpler
			out = append(out, root.clone())
		}
		*slot = node
		for i, whole := range node.args {
			for _, part := range node.hoists(i) {
				node.args[i] = part
				out = append(out, root.clone())
			}
			node.args[i] = whole
		}
		node.children(func(child **Term) { walk(child, node) })
	}
	if promoted := promote(root); promoted != nil {
		out = append(out, promoted)
	}
	top := root
	walk(&top, nil)
	return out
}

// maxHoists bounds how many parts are tried in the place of one argument.
const maxHoists = 8

// hoists lists the parts of an argument that can stand in its place: of a tree of several levels one may do.
func (t *Term) hoists(at int) []*Term {
	want := t.slotType(at)
	if want == nil || want.Kind() == reflect.Interface && want.NumMethod() == 0 {
		return nil
	}
	var out []*Term
	var walk func(whole *Term)
	walk = func(whole *Term) {
		for _, part := range whole.args {
			makes := part.op == opCall || part.op == opAddr || part.op == opStruct
			if len(out) < maxHoists && makes && part.typ != nil && part.share == 0 && part.typ.AssignableTo(want) {
				out = append(out, part.clone())
			}
			walk(part)
		}
	}
	walk(t.args[at])
	return out
}

// slotType is the type that an argument is assigned to, where it need not be the argument's own.
func (t *Term) slotType(at int) reflect.Type {
	switch t.op {
	case opStruct:
		return t.typ.Field(t.fields[at]).Type
	case opSlice, opArray:
		return t.typ.Elem()
	case opMap:
		if at%2 == 1 {
			return t.typ.Elem()
		}
	case opCall:
		if t.fn.typ.IsVariadic() || at < t.fn.typ.NumIn() {
			return paramType(t.fn.typ, at)
		}
	}
	return nil
}

// promote makes the last call of the receiver's history the one that counts: nothing after it matters
// if it is the one that crashes.
func promote(root *Term) *Term {
	if len(root.args) == 0 || len(root.args[0].then) == 0 {
		return nil
	}
	receiver := root.args[0].clone()
	last := receiver.then[len(receiver.then)-1]
	receiver.then = receiver.then[:len(receiver.then)-1]
	if last.args[0].op != opSelf {
		return nil
	}
	last.args[0] = receiver
	return last
}

// simpler lists simpler forms of one node, its children untouched.
func simpler(t *Term) []*Term {
	var out []*Term
	add := func(change func(c *Term)) {
		c := t.clone()
		change(c)
		out = append(out, c)
	}
	if len(t.then) > 1 {
		add(func(c *Term) { c.then = nil })
	}
	for i := range t.then {
		i := i
		add(func(c *Term) { c.then = append(c.then[:i:i], c.then[i+1:]...) })
	}
	if plain := plainer(t); plain != nil {
		out = append(out, plain)
	}
	switch t.op {
	case opLit:
		if t.fixed { // The method of a request: only the plainest is better.
			if t.lit.String() != "GET" {
				add(func(c *Term) { c.lit = reflect.ValueOf("GET") })
			}
			break
		}
		for _, v := range simplerValues(t.lit) {
			v := v
			add(func(c *Term) { c.lit = v })
		}
	case opSlice, opChan:
		if len(t.args) > 1 {
			add(func(c *Term) { c.args = nil })
			add(func(c *Term) { c.args = c.args[:len(c.args)/2] })
		}
		for i := range t.args {
			i := i
			add(func(c *Term) { c.args = append(c.args[:i:i], c.args[i+1:]...) })
		}
	case opMap:
		for i := 0; i+1 < len(t.args); i += 2 {
			i := i
			add(func(c *Term) { c.args = append(c.args[:i:i], c.args[i+2:]...) })
		}
	case opStruct:
		for i := range t.args {
			i := i
			if t.args[i].needed {
				continue
			}
			add(func(c *Term) {
				c.args = append(c.args[:i:i], c.args[i+1:]...)
				c.fields = append(c.fields[:i:i], c.fields[i+1:]...)
			})
		}
	case opCall:
		fixed := t.fn.typ.NumIn() - 1
		for i := fixed; t.fn.typ.IsVariadic() && t.fn.gen == nil && i < len(t.args); i++ {
			i := i
			add(func(c *Term) { c.args = append(c.args[:i:i], c.args[i+1:]...) })
		}
	}
	return out
}

func simplerValues(v reflect.Value) []reflect.Value {
	var out []reflect.Value
	switch v.Kind() {
	case reflect.String:
		for _, s := range simplerTexts(v.String()) {
			out = append(out, reflect.ValueOf(s).Convert(v.Type()))
		}
	case reflect.Slice:
		for _, s := range simplerTexts(string(v.Bytes())) {
			out = append(out, reflect.ValueOf([]byte(s)).Convert(v.Type()))
		}
	case reflect.Bool:
		if v.Bool() {
			out = append(out, reflect.Zero(v.Type()))
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n := v.Int()
		for _, m := range []int64{0, 1, -1, n / 2, n - 1, n + 1} {
			if abs(m) < abs(n) {
				out = append(out, reflect.ValueOf(m).Convert(v.Type()))
			}
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n := v.Uint()
		for _, m := range []uint64{0, 1, n / 2, n - 1} {
			if m < n {
				out = append(out, reflect.ValueOf(m).Convert(v.Type()))
			}
		}
	case reflect.Float32, reflect.Float64:
		f := v.Float()
		for _, m := range []float64{0, 1, float64(int64(f))} {
			if m != f && f != 0 && !(f == 1) {
				out = append(out, reflect.ValueOf(m).Convert(v.Type()))
			}
		}
	}
	return out
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

// simplerTexts are shorter ones; pieces get smaller and smaller.
func simplerTexts(s string) []string {
	if s == "" {
		return nil
	}
	out := []string{""}
	for piece := len(s) / 2; piece > 0; piece /= 2 {
		if len(s)/piece > 64 {
			break
		}
		for at := 0; at+piece <= len(s); at += piece {
			out = append(out, s[:at]+s[at+piece:])
		}
	}
	if len(s) <= 24 {
		for i, c := range []byte(s) {
			if c != 'a' && c != '0' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c < 0x20 || c > 0x7e {
				out = append(out, s[:i]+"a"+s[i+1:])
			}
		}
	}
	return out
}
