package api

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/shop/internal/catalog"
	"example.com/shop/internal/notify"
	"example.com/shop/internal/orders"
	"example.com/shop/internal/report"
	"example.com/shop/internal/shipping"
	"example.com/shop/internal/stock"
	"example.com/shop/internal/worker"
)

func newHandler(t *testing.T) http.Handler {
	t.Helper()
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	products, ledger := catalog.NewStore(), stock.NewLedger()
	if err := products.Put(catalog.Product{SKU: "TEA-1", Name: "Darjeeling", Price: 900}); err != nil {
		t.Fatal(err)
	}
	if err := ledger.Receive("TEA-1", 12); err != nil {
		t.Fatal(err)
	}
	service := orders.NewService(products)
	return New(Deps{
		Log:     log,
		Catalog: products,
		Stock:   ledger,
		Orders:  service,
		Reports: report.NewReporter(service),
		Hub:     notify.NewHub(log, func(string, string) error { return nil }),
		Worker:  worker.New(log, 1),
		Carrier: shipping.NewClient("http://carrier.invalid"),
	}).Handler()
}

func call(h http.Handler, method, path, body string) (int, string) {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader(body)))
	return rec.Code, rec.Body.String()
}

func TestRoutes(t *testing.T) {
	h := newHandler(t)
	steps := []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/healthz", "", 200, `"ok"`},
		{"GET", "/products?page=0&size=5", "", 200, `"TEA-1"`},
		{"GET", "/products?page=x", "", 400, `page`},
		{"GET", "/products/TEA-1/price", "", 200, `{"price":900}`},
		{"GET", "/products/TEA-1/stock", "", 200, `{"available":12}`},
		{"GET", "/products/TEA-9/price", "", 404, `not found`},
		{"POST", "/stock/hold", `{"sku":"TEA-1","quantity":0}`, 400, `positive`},
		{"POST", "/stock/hold", `{"sku":"TEA-1","quantity":99}`, 409, `insufficient`},
		{"POST", "/import", "sku,name,price,quantity\nCUP-1,Cup,1200,4\n", 200, `{"imported":1}`},
		{"POST", "/import", "sku,name,price,quantity\nCUP-1,Cup,cheap,4\n", 422, `line 2`},
		{"POST", "/quote", `{"sku":"CUP-1","quantity":2,"voucher":"PCT-10"}`, 200, `{"total":2160}`},
		{"POST", "/quote", `{"sku":"CUP-1"`, 400, `body`},
		{"GET", "/quote", "", 405, `GET`},
		{"POST", "/subscriptions", `{"event":"order.placed","target":"https://a.example.com/hook","template":"order {id}"}`, 201, `"a.example.com"`},
		{"POST", "/orders", `{"customer":"ada","lines":[{"sku":"TEA-1","quantity":2}]}`, 201, `"ord-0001"`},
		{"POST", "/orders", `{"customer":"ada"}`, 422, `at least one line`},
		{"GET", "/orders/ord-0001/installments", "", 200, `[600,600,600]`},
		{"POST", "/webhooks/payment", `{"type":"captured","data":{"order":"ord-0001","amount":800}}`, 200, `"captured"`},
		{"GET", "/orders/ord-0001/summary", "", 200, `"open":1000`},
		{"PUT", "/orders/ord-0001/delivery", `{"day":"06/06/2026"}`, 200, `"2026-06-06"`},
		{"GET", "/orders/ord-0001", "", 404, `no action`},
		{"POST", "/jobs", `{"kind":"receipt","payload":{"order":"ord-0001","email":"ada@example.com"}}`, 202, `"receipt"`},
		{"POST", "/jobs", `{"kind":"receipt"}`, 503, `full`},
	}
	for _, step := range steps {
		status, body := call(h, step.method, step.path, step.body)
		if status != step.status || !strings.Contains(body, step.want) {
			t.Errorf("%s %s = %d %s; want %d with %s", step.method, step.path, status, body, step.status, step.want)
		}
	}
}
