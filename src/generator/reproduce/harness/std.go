//go:build go1.21

package harness

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"math/rand"
	"reflect"
	"strings"
	"time"
)

var contextType = reflect.TypeOf((*context.Context)(nil)).Elem()

// timedContext ends soon while we search, and after a moment in the test that is written.
var timedContext = standard(
	func() context.Context {
		// The timer cancels it; there is nothing else to release.
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(2*time.Millisecond, cancel)
		return ctx
	},
	"", "context", "time",
)

func init() {
	timedContext.stmt = "$v, $c := context.WithTimeout(context.Background(), 200*time.Millisecond)\ndefer $c()"
}

// standard describes a piece of the standard library: how to do it, and how to write it.
func standard(value any, format string, imports ...string) *Func {
	v := reflect.ValueOf(value)
	return &Func{name: format, exported: true, value: v, typ: v.Type(), format: format, imports: imports}
}

func (r *Registry) offer(t reflect.Type, makers ...*Func) {
	r.std[t] = append(r.std[t], makers...)
}

func typeOf(pointer any) reflect.Type { return reflect.TypeOf(pointer).Elem() }

// registerStandard offers what the standard library's common types are made from.
func registerStandard(r *Registry) {
	r.offer(contextType,
		standard(context.Background, "context.Background()", "context"),
		timedContext)
	r.offer(typeOf((*io.Reader)(nil)),
		standard(func(s string) io.Reader { return strings.NewReader(s) }, "strings.NewReader(%s)", "strings"))
	r.offer(typeOf((*io.ReadCloser)(nil)),
		standard(func(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }, "io.NopCloser(strings.NewReader(%s))", "io", "strings"))
	r.offer(typeOf((**strings.Reader)(nil)), standard(strings.NewReader, "strings.NewReader(%s)", "strings"))
	r.offer(typeOf((**bytes.Reader)(nil)), standard(bytes.NewReader, "bytes.NewReader(%s)", "bytes"))
	r.offer(typeOf((**bytes.Buffer)(nil)), standard(bytes.NewBufferString, "bytes.NewBufferString(%s)", "bytes"))
	r.offer(typeOf((*io.Writer)(nil)),
		standard(func() io.Writer { return io.Discard }, "io.Discard", "io"))
	r.offer(typeOf((**bufio.Reader)(nil)),
		standard(func(s string) *bufio.Reader { return bufio.NewReader(strings.NewReader(s)) }, "bufio.NewReader(strings.NewReader(%s))", "bufio", "strings"))
	r.offer(typeOf((**bufio.Writer)(nil)),
		standard(func() *bufio.Writer { return bufio.NewWriter(io.Discard) }, "bufio.NewWriter(io.Discard)", "bufio", "io"))
	r.offer(typeOf((**bufio.Scanner)(nil)),
		standard(func(s string) *bufio.Scanner { return bufio.NewScanner(strings.NewReader(s)) }, "bufio.NewScanner(strings.NewReader(%s))", "bufio", "strings"))
	r.offer(typeOf((*time.Time)(nil)),
		standard(func(days int64) time.Time { return time.Unix(days*86400, 0).UTC() }, "time.Unix(%s*86400, 0).UTC()", "time"),
		standard(func() time.Time { return time.Time{} }, "time.Time{}", "time"))
	r.offer(typeOf((**time.Location)(nil)), standard(func() *time.Location { return time.UTC }, "time.UTC", "time"))
	r.offer(typeOf((**log.Logger)(nil)),
		standard(func() *log.Logger { return log.New(io.Discard, "", 0) }, `log.New(io.Discard, "", 0)`, "io", "log"))
	r.offer(typeOf((**rand.Rand)(nil)),
		standard(func() *rand.Rand { return rand.New(rand.NewSource(1)) }, "rand.New(rand.NewSource(1))", "math/rand"))
	failing := standard(errors.New, "errors.New(%s)", "errors")
	r.funcs = append(r.funcs, failing)
	r.makers[errorType] = append(r.makers[errorType], failing)
}
