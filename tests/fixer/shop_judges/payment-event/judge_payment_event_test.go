package api

import (
	"strings"
	"testing"
)

// A notification whose amount is no number is refused, and nothing is booked.
func TestJudgePaymentEvent(t *testing.T) {
	h := newHandler(t)
	call(h, "POST", "/orders", `{"customer":"ada","lines":[{"sku":"TEA-1","quantity":2}]}`)
	open := func(want string) {
		t.Helper()
		if _, body := call(h, "GET", "/orders/ord-0001/summary", ""); !strings.Contains(body, want) {
			t.Errorf("summary = %s; want %s", body, want)
		}
	}
	for _, amount := range []string{`,"amount":"much"`, `,"amount":null`, `,"amount":true`, `,"amount":[800]`, ``} {
		event := `{"type":"captured","data":{"order":"ord-0001"` + amount + `}}`
		if status, body := call(h, "POST", "/webhooks/payment", event); status < 400 || status > 499 {
			t.Errorf("%s = %d %s", event, status, body)
		}
		open(`"open":1800`)
	}
	event := `{"type":"captured","data":{"order":"ord-0001","amount":800}}`
	if status, body := call(h, "POST", "/webhooks/payment", event); status != 200 {
		t.Errorf("%s = %d %s", event, status, body)
	}
	open(`"open":1000`)
}
