//go:build go1.21

package harness

import (
	"fmt"
	"reflect"
	"sync/atomic"
	"unsafe"
)

// invalid is the panic of an execution that no caller could have done: a constructor said no.
type invalid struct{ reason string }

// evaluator runs one term. current is the function that we ourselves called last: the one in which a
// panic surfaced.
type evaluator struct {
	current atomic.Pointer[Func]
	watch   *watch
	keeper  *keeper
	shared  map[int]reflect.Value
}

func (e *evaluator) eval(t *Term, self reflect.Value) reflect.Value {
	v := e.make(t, self)
	if t.share != 0 && t.op != opShared {
		if e.shared == nil {
			e.shared = map[int]reflect.Value{}
		}
		e.shared[t.share] = v
	}
	if t.op == opAddr {
		e.keeper.keep(v)
	}
	if len(t.then) == 0 {
		return v
	}
	// A variable holds the value, so that methods with pointer receivers work on it.
	if v.Kind() != reflect.Interface && !v.CanAddr() {
		variable := reflect.New(v.Type()).Elem()
		variable.Set(v)
		v = variable
		e.keeper.keep(v)
	}
	for _, call := range t.then {
		e.eval(call, v)
	}
	return v
}

func (e *evaluator) make(t *Term, self reflect.Value) reflect.Value {
	switch t.op {
	case opLit:
		return t.lit
	case opZero:
		return reflect.Zero(t.typ)
	case opSelf:
		return self
	case opShared:
		if v, ok := e.shared[t.share]; ok {
			return v
		}
		panic(invalid{"what is shared is not there"})
	case opCall:
		return e.call(t, self)
	case opAddr:
		p := reflect.New(t.typ.Elem())
		p.Elem().Set(convert(e.eval(t.args[0], self), t.typ.Elem()))
		return p
	case opStruct:
		s := reflect.New(t.typ).Elem()
		for i, field := range t.fields {
			setField(s.Field(field), e.eval(t.args[i], self))
		}
		return s
	case opArray:
		a := reflect.New(t.typ).Elem()
		for i, arg := range t.args {
			a.Index(i).Set(convert(e.eval(arg, self), t.typ.Elem()))
		}
		return a
	case opSlice:
		s := reflect.MakeSlice(t.typ, len(t.args), len(t.args))
		for i, arg := range t.args {
			s.Index(i).Set(convert(e.eval(arg, self), t.typ.Elem()))
		}
		return s
	case opMap:
		m := reflect.MakeMap(t.typ)
		for i := 0; i+1 < len(t.args); i += 2 {
			m.SetMapIndex(convert(e.eval(t.args[i], self), t.typ.Key()), convert(e.eval(t.args[i+1], self), t.typ.Elem()))
		}
		return m
	case opFunc:
		return reflect.MakeFunc(t.typ, func(in []reflect.Value) []reflect.Value {
			e.keeper.calledBack(in)
			out := make([]reflect.Value, t.typ.NumOut())
			for i := range out {
				out[i] = reflect.Zero(t.typ.Out(i))
			}
			return out
		})
	case opChan:
		return e.channel(t, self)
	}
	panic(invalid{fmt.Sprintf("unknown op %d", t.op)})
}

func (e *evaluator) channel(t *Term, self reflect.Value) reflect.Value {
	both := reflect.ChanOf(reflect.BothDir, t.typ.Elem())
	c := reflect.MakeChan(both, len(t.args)+8)
	for _, arg := range t.args {
		c.Send(convert(e.eval(arg, self), t.typ.Elem()))
	}
	e.keeper.keep(c)
	if t.closed {
		c.Close()
	}
	return c.Convert(t.typ)
}

// arguments evaluates what a call is made with.
func (e *evaluator) arguments(t *Term, self reflect.Value) []reflect.Value {
	in := make([]reflect.Value, len(t.args))
	for i, arg := range t.args {
		v := e.eval(arg, self)
		want := paramType(t.fn.typ, i)
		if arg.op == opSelf {
			v = asReceiver(v, want)
		}
		in[i] = convert(v, want)
	}
	return in
}

func (e *evaluator) call(t *Term, self reflect.Value) reflect.Value {
	in := e.arguments(t, self)
	outer := e.current.Swap(t.fn)
	out := e.watch.call(t.fn, in)
	e.current.Store(outer)
	for _, v := range out {
		e.keeper.keep(v)
	}
	if n := len(out); n > 1 && t.fn.typ.Out(n-1) == errorType && !out[n-1].IsNil() && t.typ != nil {
		panic(invalid{fmt.Sprint(out[n-1])})
	}
	if len(out) == 0 || t.typ == nil {
		return reflect.Value{}
	}
	v := out[0]
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Func, reflect.Chan:
		if v.IsNil() {
			panic(invalid{t.fn.name + " gave nil"})
		}
	}
	return v
}

// paramType is the type of the i-th argument; the variadic part takes elements.
func paramType(f reflect.Type, i int) reflect.Type {
	if f.IsVariadic() && i >= f.NumIn()-1 {
		return f.In(f.NumIn() - 1).Elem()
	}
	return f.In(i)
}

// asReceiver turns the variable into what the method takes: itself, its address, or what it points to.
func asReceiver(v reflect.Value, want reflect.Type) reflect.Value {
	switch {
	case v.Type().AssignableTo(want):
		return v
	case v.CanAddr() && v.Addr().Type().AssignableTo(want):
		return v.Addr()
	case v.Kind() == reflect.Pointer && v.Type().Elem().AssignableTo(want):
		return v.Elem()
	}
	panic(invalid{"receiver"})
}

func convert(v reflect.Value, want reflect.Type) reflect.Value {
	if !v.IsValid() {
		return reflect.Zero(want)
	}
	if v.Type().AssignableTo(want) {
		return v
	}
	if v.Kind() == reflect.Interface && !v.IsNil() && v.Elem().Type().AssignableTo(want) {
		return v.Elem()
	}
	panic(invalid{v.Type().String() + " is no " + want.String()})
}

func setField(field, v reflect.Value) {
	v = convert(v, field.Type())
	if !field.CanSet() {
		field = reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem()
	}
	field.Set(v)
}
