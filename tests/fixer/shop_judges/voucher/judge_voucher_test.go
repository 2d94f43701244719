package api

import (
	"strings"
	"testing"
)

// A code that is too short to be a voucher is the client's error and grants nothing.
func TestJudgeVoucher(t *testing.T) {
	h := newHandler(t)
	quote := func(voucher string) (int, string) {
		return call(h, "POST", "/quote", `{"sku":"TEA-1","quantity":2,"voucher":"`+voucher+`"}`)
	}
	for _, code := range []string{"T", "TEA", "PCT", "PCT-", "OFF-", "PCT10", "SALE-10"} {
		if status, body := quote(code); status < 400 || status > 499 {
			t.Errorf("voucher %q = %d %s", code, status, body)
		}
	}
	for code, want := range map[string]string{
		"":        `{"total":1800}`,
		"PCT-5":   `{"total":1710}`,
		"OFF-1":   `{"total":1799}`,
		"OFF-900": `{"total":900}`,
	} {
		if status, body := quote(code); status != 200 || !strings.Contains(body, want) {
			t.Errorf("voucher %q = %d %s; want %s", code, status, body, want)
		}
	}
}
