//go:build go1.21

package harness

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
)

var (
	handlerType = reflect.TypeOf((*http.Handler)(nil)).Elem()
	serverType  = reflect.TypeOf((*http.Server)(nil))
)

// serve sends a request through a handler, as the server does.
var serve = standard(
	func(h http.Handler, w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) },
	"%s.ServeHTTP(%s, %s)",
)

func init() { optional = append(optional, registerWeb) }

func registerWeb(r *Registry) {
	recorder := standard(httptest.NewRecorder, "httptest.NewRecorder()", "net/http/httptest")
	r.offer(typeOf((*http.ResponseWriter)(nil)), recorder)
	r.offer(typeOf((**httptest.ResponseRecorder)(nil)), recorder)

	request := standard(
		func(method, target, body string) *http.Request {
			return httptest.NewRequest(method, target, strings.NewReader(body))
		},
		"httptest.NewRequest(%s, %s, strings.NewReader(%s))", "net/http/httptest", "strings")
	request.gen = func(g *generator, _ int) []*Term { return g.request() }
	r.offer(typeOf((**http.Request)(nil)), request)

	header := standard(func(r *http.Request, key, value string) { r.Header.Set(key, value) }, "%s.Header.Set(%s, %s)")
	header.gen = func(g *generator, _ int) []*Term {
		return []*Term{g.textTerm(orWord(g, g.config.Headers)), g.textTerm(g.oneLine())}
	}
	path := standard(func(r *http.Request, key, value string) {
		if r, ok := any(r).(interface{ SetPathValue(name, value string) }); ok {
			r.SetPathValue(key, value)
		}
	}, "%s.SetPathValue(%s, %s)")
	path.gen = func(g *generator, _ int) []*Term {
		return []*Term{g.textTerm(orWord(g, g.config.names())), g.textTerm(g.text())}
	}
	r.methods[typeOf((**http.Request)(nil))] = []*Func{header, path}

	r.offer(typeOf((*url.Values)(nil)),
		standard(func(k, v string) url.Values { return url.Values{k: {v}} }, "url.Values{%s: {%s}}", "net/url"))
	r.offer(typeOf((**http.Client)(nil)),
		standard(func() *http.Client { return http.DefaultClient }, "http.DefaultClient", "net/http"))
	r.extra = append(r.extra, func(t reflect.Type) []*Func {
		if t.Implements(handlerType) {
			return []*Func{serve}
		}
		return nil
	})
	r.finish = append(r.finish, func(r *Registry) {
		if len(r.makers[serverType]) > 0 {
			handler := standard(func(s *http.Server) http.Handler { return s.Handler }, "%s.Handler")
			r.funcs = append(r.funcs, handler)
		}
	})
	special["http"] = []*Func{serve}
}

func orWord(g *generator, from []string) string {
	if len(from) > 0 && g.rng.pct(90) {
		return pick(g.rng, from)
	}
	return strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f {
			return r
		}
		return -1
	}, g.word())
}

// oneLine is a text without control characters, as a header's value must be.
func (g *generator) oneLine() string {
	return strings.Map(func(r rune) rune {
		if r >= ' ' && r < 0x7f {
			return r
		}
		return -1
	}, g.text())
}

func (g *generator) textTerm(s string) *Term {
	return g.node(Term{op: opLit, typ: reflect.TypeOf(""), lit: reflect.ValueOf(s)})
}

// names are the wildcards of the routes.
func (c *Config) names() []string {
	var out []string
	for _, route := range c.Routes {
		for _, part := range strings.Split(route.Path, "/") {
			if strings.HasPrefix(part, "{") {
				out = append(out, strings.Trim(part, "{}.$"))
			}
		}
	}
	return out
}

// request makes the method, target and body of a request.
func (g *generator) request() []*Term {
	r := g.rng
	var route Route
	fromLog := len(g.config.Requests) > 0 && r.pct(45)
	switch {
	case fromLog:
		route = g.config.Requests[r.n(len(g.config.Requests))]
	case len(g.config.Routes) > 0:
		route = g.config.Routes[r.n(len(g.config.Routes))]
	default:
		route = Route{"", "/" + g.segment()}
	}
	if route.Method == "" || r.pct(3) {
		route.Method = pick(r, []string{"GET", "POST", "PUT", "DELETE", "PATCH"})
	}
	path, query, _ := strings.Cut(route.Path, "?")
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, "{$") {
			parts[i] = ""
		} else if strings.HasPrefix(part, "{") || i == len(parts)-1 && part == "" && i > 1 && r.pct(60) || fromLog && i > 0 && r.pct(10) {
			parts[i] = g.segment()
		}
	}
	path = strings.Join(parts, "/")
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if query = g.query(query); query != "" {
		path += "?" + query
	}
	body := ""
	if route.Method != "GET" && route.Method != "DELETE" || r.pct(5) {
		switch p := r.n(100); {
		case p < 75 && g.config.UsesJSON:
			body = g.jsonText()
		case p < 95:
			body = g.text()
		}
	}
	return []*Term{g.textTerm(route.Method), g.textTerm(path), g.textTerm(body)}
}

func (g *generator) segment() string {
	s := g.text()
	if s == "" {
		s = g.word()
	}
	return url.PathEscape(s)
}

// query keeps, changes or makes a query string.
func (g *generator) query(from string) string {
	values, _ := url.ParseQuery(from)
	keys := g.config.Query
	for _, pair := range strings.Split(from, "&") {
		if key, _, ok := strings.Cut(pair, "="); ok && g.rng.pct(30) {
			values.Set(key, g.text())
		} else if ok && g.rng.pct(8) {
			values.Del(key)
		}
	}
	for i := g.rng.n(3); i > 0 && len(keys) > 0 && g.rng.pct(60); i-- {
		values.Set(pick(g.rng, keys), g.text())
	}
	return values.Encode()
}
