package api

import (
	"strings"
	"testing"
)

// Units on hold are no longer available, and no more can be held than there are.
func TestJudgeStockHold(t *testing.T) {
	h := newHandler(t)
	for _, step := range []struct {
		quantity string
		status   int
		want     string
	}{
		{"5", 200, `{"available":7}`},
		{"8", 409, "insufficient"},
		{"7", 200, `{"available":0}`},
		{"1", 409, "insufficient"},
	} {
		status, body := call(h, "POST", "/stock/hold", `{"sku":"TEA-1","quantity":`+step.quantity+`}`)
		if status != step.status || !strings.Contains(body, step.want) {
			t.Errorf("hold %s = %d %s; want %d with %s", step.quantity, status, body, step.status, step.want)
		}
	}
	if _, body := call(h, "GET", "/products/TEA-1/stock", ""); !strings.Contains(body, `{"available":0}`) {
		t.Errorf("stock after all units are held: %s", body)
	}
}
