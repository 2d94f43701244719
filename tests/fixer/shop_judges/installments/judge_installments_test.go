package api

import (
	"strings"
	"testing"
)

// A plan over no months is the client's error.
func TestJudgeInstallments(t *testing.T) {
	h := newHandler(t)
	call(h, "POST", "/orders", `{"customer":"ada","lines":[{"sku":"TEA-1","quantity":1}]}`)
	for _, months := range []string{"0", "00", "37", "x"} {
		status, body := call(h, "GET", "/orders/ord-0001/installments?months="+months, "")
		if status < 400 || status > 499 {
			t.Errorf("%s months = %d %s", months, status, body)
		}
	}
	for months, want := range map[string]string{
		"1": "[900]",
		"2": "[450,450]",
		"7": "[129,129,129,129,128,128,128]",
	} {
		status, body := call(h, "GET", "/orders/ord-0001/installments?months="+months, "")
		if status != 200 || strings.TrimSpace(body) != want {
			t.Errorf("%s months = %d %s; want %s", months, status, body, want)
		}
	}
}
