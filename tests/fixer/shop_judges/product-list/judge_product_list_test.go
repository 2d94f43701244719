package api

import (
	"strings"
	"testing"
)

// Beyond the last page there is nothing: an empty list, or the client's error.
func TestJudgeProductList(t *testing.T) {
	h := newHandler(t)
	for _, query := range []string{"page=9&size=20", "page=2&size=1", "page=1"} {
		status, body := call(h, "GET", "/products?"+query, "")
		empty := strings.TrimSpace(body) == "[]" || strings.TrimSpace(body) == "null"
		if !(status == 200 && empty) && (status < 400 || status > 499) {
			t.Errorf("%s = %d %s", query, status, body)
		}
	}
	call(h, "POST", "/import", "sku,name,price,quantity\nCUP-1,Cup,1200,4\nTEA-2,Assam,750,4\n")
	for query, want := range map[string][3]bool{
		"":              {true, true, true},
		"page=0&size=2": {true, true, false},
		"page=1&size=2": {false, false, true},
		"page=2&size=1": {false, false, true},
	} {
		status, body := call(h, "GET", "/products?"+query, "")
		got := [3]bool{strings.Contains(body, "CUP-1"), strings.Contains(body, "TEA-1"), strings.Contains(body, "TEA-2")}
		if status != 200 || got != want {
			t.Errorf("%s = %d %s", query, status, body)
		}
	}
}
