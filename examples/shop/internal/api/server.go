// Package api is the shop's HTTP interface.
package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"example.com/shop/internal/catalog"
	"example.com/shop/internal/notify"
	"example.com/shop/internal/orders"
	"example.com/shop/internal/report"
	"example.com/shop/internal/shipping"
	"example.com/shop/internal/stock"
	"example.com/shop/internal/worker"
)

// maxBody bounds what a client may send.
const maxBody = 1 << 20

// Deps are the parts of the shop that the API serves.
type Deps struct {
	Log     *slog.Logger
	Catalog *catalog.Store
	Stock   *stock.Ledger
	Orders  *orders.Service
	Reports *report.Reporter
	Hub     *notify.Hub
	Worker  *worker.Worker
	Carrier *shipping.Client
}

// Server answers the shop's HTTP requests.
type Server struct {
	Deps
}

// New returns a server on the given parts.
func New(d Deps) *Server {
	return &Server{Deps: d}
}

// Handler returns the routes of the API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("/products", s.handleProducts)
	mux.HandleFunc("/products/", s.handleProduct)
	mux.HandleFunc("/stock/hold", s.handleHold)
	mux.HandleFunc("/import", s.handleImport)
	mux.HandleFunc("/quote", s.handleQuote)
	mux.HandleFunc("/orders", s.handleOrders)
	mux.HandleFunc("/orders/", s.handleOrder)
	mux.HandleFunc("/reports/daily", s.handleDaily)
	mux.HandleFunc("/webhooks/payment", s.handlePayment)
	mux.HandleFunc("/subscriptions", s.handleSubscribe)
	mux.HandleFunc("/jobs", s.handleJobs)
	mux.HandleFunc("/rates", s.handleRates)
	return s.logged(mux)
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		sw := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		r.Body = http.MaxBytesReader(sw, r.Body, maxBody)
		next.ServeHTTP(sw, r)
		s.Log.Info("request", "method", r.Method, "path", r.URL.Path,
			"status", sw.status, "ms", time.Since(begin).Milliseconds())
	})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func fail(w http.ResponseWriter, status int, err error) {
	reply(w, status, map[string]string{"error": err.Error()})
}

// statusOf maps the errors of the inner packages to HTTP.
func statusOf(err error) int {
	switch {
	case errors.Is(err, orders.ErrNotFound), errors.Is(err, catalog.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, stock.ErrInsufficient):
		return http.StatusConflict
	case errors.Is(err, worker.ErrBusy):
		return http.StatusServiceUnavailable
	default:
		return http.StatusUnprocessableEntity
	}
}

// decode reads a JSON body and answers the request itself if it cannot.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		fail(w, http.StatusMethodNotAllowed, fmt.Errorf("method %s not allowed", r.Method))
		return false
	}
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("body: %w", err))
		return false
	}
	return true
}

// intParam reads a number from the query; absent, it is the fallback.
func intParam(r *http.Request, name string, fallback int) (int, error) {
	raw := r.URL.Query().Get(name)
	if raw == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(raw)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s must be a number: %q", name, raw)
	}
	return n, nil
}
