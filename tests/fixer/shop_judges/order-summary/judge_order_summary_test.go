package api

import (
	"strings"
	"testing"
)

// An order nobody placed is the client's error; an order that was placed is summed up as before.
func TestJudgeOrderSummary(t *testing.T) {
	h := newHandler(t)
	for _, id := range []string{"ord-0815", "ord-0001", "x"} {
		if status, body := call(h, "GET", "/orders/"+id+"/summary", ""); status < 400 || status > 499 {
			t.Errorf("summary of unknown order %q = %d %s", id, status, body)
		}
	}
	call(h, "POST", "/orders", `{"customer":"ada","lines":[{"sku":"TEA-1","quantity":2}]}`)
	status, body := call(h, "GET", "/orders/ord-0001/summary", "")
	if status != 200 || !strings.Contains(body, `"customer":"ada","units":2,"total":1800,"open":1800`) {
		t.Errorf("summary = %d %s", status, body)
	}
}
