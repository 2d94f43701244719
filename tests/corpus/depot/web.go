//go:build web

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"time"

	"example.com/depot/pricing"
	"example.com/depot/store"
)

func init() {
	for name, run := range web {
		cases[name] = run
	}
}

func serve(h http.Handler) {
	ts := httptest.NewServer(h)
	defer ts.Close()
	resp, err := http.Get(ts.URL + "/x")
	if err == nil {
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	time.Sleep(50 * time.Millisecond)
}

func middleware(next http.Handler, lg func(any, []byte)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				lg(v, debug.Stack())
				w.WriteHeader(500)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func tier(w http.ResponseWriter, r *http.Request) {
	pricing.NewTable(1, 2, 3).Tier(5)
}

var web = map[string]func(){
	"logfatal": func() { _, err := net.Dial("tcp", "127.0.0.1:1"); log.Fatalf("ledger: %v", err) },
	"http":     func() { serve(http.HandlerFunc(tier)) },
	"httpmulti": func() {
		serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("one\ntwo\n  three") }))
	},
	"httpnil": func() { serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { store.New().Price("x") })) },
	"httpabort": func() {
		serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	},
	"httpslog": func() {
		lg := slog.New(slog.NewJSONHandler(os.Stderr, nil))
		ts := httptest.NewUnstartedServer(http.HandlerFunc(tier))
		ts.Config.ErrorLog = slog.NewLogLogger(lg.Handler(), slog.LevelError)
		ts.Start()
		resp, err := http.Get(ts.URL)
		if err == nil {
			resp.Body.Close()
		}
		time.Sleep(50 * time.Millisecond)
	},
	"mwjson": func() {
		lg := slog.New(slog.NewJSONHandler(os.Stderr, nil))
		serve(middleware(http.HandlerFunc(tier), func(v any, st []byte) {
			lg.Error("panic recovered", "error", fmt.Sprint(v), "stack", string(st), "path", "/x")
		}))
	},
	"mwjsonmsg": func() {
		serve(middleware(http.HandlerFunc(tier), func(v any, st []byte) {
			b, _ := json.Marshal(map[string]any{"level": "info", "ts": 1700000000.123, "msg": fmt.Sprintf("recovered from panic: %v\n%s", v, st)})
			os.Stderr.Write(append(b, '\n'))
		}))
	},
	"mwtext": func() {
		lg := slog.New(slog.NewTextHandler(os.Stderr, nil))
		serve(middleware(http.HandlerFunc(tier), func(v any, st []byte) { lg.Error("panic recovered", "err", v, "stack", string(st)) }))
	},
	"mwlog": func() {
		serve(middleware(http.HandlerFunc(tier), func(v any, st []byte) { log.Printf("panic: %v\n%s", v, st); log.Printf("request done") }))
	},
	"mwplain": func() {
		serve(middleware(http.HandlerFunc(tier), func(v any, st []byte) { fmt.Fprintln(os.Stderr, "recovered:", v); debug.PrintStack() }))
	},
	"mwexplicit": func() {
		lg := slog.New(slog.NewJSONHandler(os.Stderr, nil))
		serve(middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ledger(42) }), func(v any, st []byte) { lg.Error("panic", "value", v, "stack", string(st)) }))
	},
	"httpexplicit": func() { serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ledger(43) })) },
	"slogjson": func() {
		lg := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{AddSource: true}))
		_, err := net.DialTimeout("tcp", "127.0.0.1:1", time.Second)
		lg.Info("started", "errors", 0)
		lg.Warn("retrying", "error", err)
		lg.Error("cannot reach ledger", "error", err, "attempt", 3)
		_, err = os.Open("/nonexistent/prices.csv")
		lg.Error("import failed", "err", err)
		lg.Error("order total is negative", "order", 1882, "total", -5)
	},
	"slogtext": func() {
		lg := slog.New(slog.NewTextHandler(os.Stderr, nil))
		_, err := net.DialTimeout("tcp", "127.0.0.1:1", time.Second)
		lg.Info("started", "errors", 0)
		lg.Error("cannot reach ledger", "error", err, "attempt", 3)
		lg.Log(nil, slog.LevelError+4, "order total is negative", "order", 1882)
	},
	"golog": func() {
		log.SetFlags(log.LstdFlags | log.Lmicroseconds | log.Lshortfile)
		_, err := net.DialTimeout("tcp", "127.0.0.1:1", time.Second)
		log.Printf("GET /errors 200")
		log.Printf("error_count=0")
		log.Printf("0 errors")
		log.Printf("cannot reach ledger: %v", err)
		log.Printf("error: order total is negative: -5")
	},
}
