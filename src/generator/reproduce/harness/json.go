//go:build go1.21

package harness

import (
	"encoding/json"
	"reflect"
	"sort"
	"strings"
)

// jsonText is a document as a caller might send it: of the sources or the log, of a type of the
// package, or of keys that the functions on the stack know; then perhaps with one thing wrong.
func (g *generator) jsonText() string {
	var doc any
	structs := g.reg.jsonTypes()
	switch p := g.rng.n(100); {
	case p < 30 && len(g.config.JSON) > 0:
		if json.Unmarshal([]byte(pick(g.rng, g.config.JSON)), &doc) != nil {
			return g.mutate(pick(g.rng, g.config.JSON))
		}
	case p < 80 && len(structs) > 0:
		doc = g.jsonOf(structs[g.rng.n(len(structs))], 0)
	default:
		doc = g.jsonObject(0)
	}
	if g.rng.pct(35) {
		doc = g.jsonMutate(doc)
	}
	out, err := json.Marshal(doc)
	if err != nil {
		return "{}"
	}
	if g.rng.pct(3) {
		return g.mutate(string(out))
	}
	return string(out)
}

// jsonTypes lists the structs that carry json tags.
func (r *Registry) jsonTypes() []reflect.Type {
	if r.tagged != nil {
		return r.tagged
	}
	r.tagged = []reflect.Type{}
	for _, t := range r.types {
		for i := 0; t.Kind() == reflect.Struct && i < t.NumField(); i++ {
			if t.Field(i).Tag.Get("json") != "" {
				r.tagged = append(r.tagged, t)
				break
			}
		}
	}
	return r.tagged
}

func (g *generator) jsonOf(t reflect.Type, depth int) any {
	if depth > 5 {
		return nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		if g.rng.pct(10) {
			return nil
		}
		return g.jsonOf(t.Elem(), depth)
	case reflect.Struct:
		if t.PkgPath() == "time" {
			return "2024-03-01T10:00:00Z"
		}
		out := map[string]any{}
		for i := 0; i < t.NumField(); i++ {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.PkgPath != "" || name == "-" || g.rng.pct(12) {
				continue
			}
			if name == "" {
				name = f.Name
			}
			out[name] = g.jsonOf(f.Type, depth+1)
		}
		return out
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return ""
		}
		out := []any{}
		for i := g.length(); i > 0 && len(out) < 64; i-- {
			out = append(out, g.jsonOf(t.Elem(), depth+1))
		}
		return out
	case reflect.Map:
		if t.Elem().Kind() == reflect.Interface {
			return g.jsonObject(depth + 1)
		}
		out := map[string]any{}
		for i := g.rng.n(3); i > 0; i-- {
			out[g.word()] = g.jsonOf(t.Elem(), depth+1)
		}
		return out
	case reflect.String:
		return g.text()
	case reflect.Bool:
		return g.rng.pct(50)
	case reflect.Float32, reflect.Float64:
		return g.float()
	case reflect.Interface:
		return g.jsonAny(depth + 1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if n := g.sharedInt(); n > 0 {
			return n
		}
		return 0
	default:
		return g.sharedInt()
	}
}

func (g *generator) jsonObject(depth int) any {
	out := map[string]any{}
	for i := g.rng.n(4); i > 0; i-- {
		out[g.word()] = g.jsonAny(depth + 1)
	}
	return out
}

func (g *generator) jsonAny(depth int) any {
	switch p := g.rng.n(100); {
	case p < 45:
		return g.text()
	case p < 65:
		return g.sharedInt()
	case p < 72:
		return nil
	case p < 79:
		return g.rng.pct(50)
	case depth > 3:
		return g.float()
	case p < 90:
		return g.jsonObject(depth)
	}
	out := []any{}
	for i := g.rng.n(3); i > 0; i-- {
		out = append(out, g.jsonAny(depth+1))
	}
	return out
}

// jsonMutate changes one node: gone, null, empty, or of another type.
func (g *generator) jsonMutate(doc any) any {
	switch v := doc.(type) {
	case map[string]any:
		if len(v) == 0 || g.rng.pct(10) {
			break
		}
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		k := keys[g.rng.n(len(keys))]
		if g.rng.pct(35) {
			delete(v, k)
		} else {
			v[k] = g.jsonMutate(v[k])
		}
		return v
	case []any:
		if len(v) == 0 || g.rng.pct(20) {
			break
		}
		i := g.rng.n(len(v))
		if g.rng.pct(25) {
			return append(v[:i:i], v[i+1:]...)
		}
		v[i] = g.jsonMutate(v[i])
		return v
	}
	return []any{nil, "", 0, -1, true, []any{}, map[string]any{}, g.text(), g.integer()}[g.rng.n(9)]
}
