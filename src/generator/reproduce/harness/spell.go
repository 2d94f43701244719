//go:build go1.21

package harness

// How types and basic values are spelled in the test that is written.

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// typeName writes a type as this package spells it.
func (w *writer) typeName(t reflect.Type) string {
	if name := w.shapeName(t); name != "" {
		return name
	}
	if t.Name() != "" {
		if t.PkgPath() == "" {
			return t.Name()
		}
		if strings.Contains(t.Name(), "/") || t.PkgPath() != w.self && !isExported(t.Name()) {
			panic(errUnwritable)
		}
		name, _, _ := strings.Cut(t.String(), ".")
		return w.use(t.PkgPath(), name) + t.Name()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return "*" + w.typeName(t.Elem())
	case reflect.Slice:
		if t == reflect.TypeOf([]byte(nil)) {
			return "[]byte"
		}
		return "[]" + w.typeName(t.Elem())
	case reflect.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), w.typeName(t.Elem()))
	case reflect.Map:
		return "map[" + w.typeName(t.Key()) + "]" + w.typeName(t.Elem())
	case reflect.Chan:
		return strings.TrimSuffix(t.ChanDir().String(), " ") + " " + w.typeName(t.Elem())
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return w.any
		}
	case reflect.Struct:
		if t.NumField() == 0 {
			return "struct{}"
		}
	case reflect.Func:
		text := w.function(t)
		return strings.TrimSpace(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(text, "{}"), "{ return }"), "{ return nil }"))
	}
	panic(errUnwritable)
}

// function writes a function that does nothing.
func (w *writer) function(t reflect.Type) string {
	var in, out []string
	for i := 0; i < t.NumIn(); i++ {
		name := w.typeName(t.In(i))
		if t.IsVariadic() && i == t.NumIn()-1 {
			name = "..." + w.typeName(t.In(i).Elem())
		}
		in = append(in, name)
	}
	for i := 0; i < t.NumOut(); i++ {
		out = append(out, "_ "+w.typeName(t.Out(i)))
	}
	head := "func(" + strings.Join(in, ", ") + ")"
	switch {
	case len(out) == 0:
		return head + " {}"
	case len(out) == 1 && t.Out(0) == errorType:
		return head + " error { return nil }"
	}
	return head + " (" + strings.Join(out, ", ") + ") { return }"
}

func (w *writer) zero(t, want reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Array:
		return w.typeName(t) + "{}"
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Func, reflect.Chan:
		if want.Kind() == reflect.Interface {
			return "(" + w.typeName(t) + ")(nil)"
		}
		return "nil"
	case reflect.Interface, reflect.UnsafePointer:
		return "nil"
	}
	return w.literal(reflect.Zero(t), want)
}

// literal writes a basic value; where the place does not fix the type, it is converted.
func (w *writer) literal(v reflect.Value, want reflect.Type) string {
	t := v.Type()
	text := basicText(v)
	if t.Kind() == reflect.Slice {
		if v.IsNil() {
			return w.zero(t, want)
		}
		return w.typeName(t) + "(" + quote(string(v.Bytes())) + ")"
	}
	if strings.HasPrefix(text, "math.") {
		w.std([]string{"math"})
	} else if want.Kind() != reflect.Interface {
		return text
	}
	switch t {
	case reflect.TypeOf(""), reflect.TypeOf(0), reflect.TypeOf(true):
		return text
	case reflect.TypeOf(0.0):
		if strings.ContainsAny(text, ".e") {
			return text
		}
		return text + ".0"
	}
	return w.typeName(t) + "(" + text + ")"
}

func basicText(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.String:
		return quote(v.String())
	case reflect.Float32, reflect.Float64:
		switch f := v.Float(); {
		case math.IsNaN(f):
			return "math.NaN()"
		case math.IsInf(f, 0):
			return fmt.Sprintf("math.Inf(%d)", int(math.Copysign(1, f)))
		}
		return strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits())
	case reflect.Complex64, reflect.Complex128:
		return fmt.Sprint(v.Complex())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Slice:
		return ""
	}
	return strconv.FormatUint(v.Uint(), 10)
}

func quote(s string) string {
	if strings.ContainsAny(s, "\"\\\n") && utf8.ValidString(s) && !strings.ContainsAny(s, "`\r") && printable(s) {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}

func printable(s string) bool {
	for _, r := range s {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return false
		}
	}
	return strings.TrimSpace(s) != ""
}
