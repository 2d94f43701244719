package api

import (
	"strings"
	"testing"
)

// A path without a view is answered: with the product or as the client's error.
func TestJudgeProductPath(t *testing.T) {
	h := newHandler(t)
	status, body := call(h, "GET", "/products/TEA-1", "")
	if !(status == 200 && strings.Contains(body, "TEA-1")) && (status < 400 || status > 499) {
		t.Errorf("/products/TEA-1 = %d %s", status, body)
	}
	for _, path := range []string{"/products/", "/products/TEA-9", "/products/TEA-9/price", "/products/TEA-1/colour"} {
		if status, body := call(h, "GET", path, ""); status < 400 || status > 499 {
			t.Errorf("%s = %d %s", path, status, body)
		}
	}
	if status, body := call(h, "GET", "/products/TEA-1/price", ""); status != 200 || !strings.Contains(body, `{"price":900}`) {
		t.Errorf("price = %d %s", status, body)
	}
	if status, body := call(h, "GET", "/products/TEA-1/stock", ""); status != 200 || !strings.Contains(body, `{"available":12}`) {
		t.Errorf("stock = %d %s", status, body)
	}
}
