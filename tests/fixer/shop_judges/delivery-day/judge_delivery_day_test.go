package api

import (
	"strings"
	"testing"
)

// The order form writes days as day, month, year; what is no such day is the client's error.
func TestJudgeDeliveryDay(t *testing.T) {
	h := newHandler(t)
	call(h, "POST", "/orders", `{"customer":"ada","lines":[{"sku":"TEA-1","quantity":1}]}`)
	for day, want := range map[string]string{
		"24/11/2026": `"2026-11-24"`,
		"31/01/2027": `"2027-01-31"`,
		"03/04/2027": `"2027-04-03"`,
		"29/02/2028": `"2028-02-29"`,
	} {
		status, body := call(h, "PUT", "/orders/ord-0001/delivery", `{"day":"`+day+`"}`)
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("delivery on %s = %d %s; want %s", day, status, body, want)
		}
	}
	for _, day := range []string{"11/24/2026", "30/02/2027", "", "soon"} {
		status, body := call(h, "PUT", "/orders/ord-0001/delivery", `{"day":"`+day+`"}`)
		if status < 400 || status > 499 {
			t.Errorf("delivery on %q = %d %s", day, status, body)
		}
	}
}
