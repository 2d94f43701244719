package api

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A report can be asked for, again and again, whether or not its day is over.
func TestJudgeDailyReport(t *testing.T) {
	h := newHandler(t)
	today := time.Now().UTC().Format(time.DateOnly)
	for i := 1; i <= 2; i++ {
		call(h, "POST", "/orders", `{"customer":"ada","lines":[{"sku":"TEA-1","quantity":1}]}`)
		status, body := call(h, "GET", "/reports/daily?day="+today, "")
		if want := fmt.Sprintf(`"orders":%d,"revenue":%d`, i, i*900); status != 200 || !strings.Contains(body, want) {
			t.Errorf("report of today = %d %s; want %s", status, body, want)
		}
		status, body = call(h, "GET", "/reports/daily?day=2020-02-29", "")
		if status != 200 || !strings.Contains(body, `{"day":"2020-02-29","orders":0,"revenue":0}`) {
			t.Errorf("report of a day without orders = %d %s", status, body)
		}
		for _, day := range []string{"", "yesterday", "2026-02-30"} {
			if status, body := call(h, "GET", "/reports/daily?day="+day, ""); status < 400 || status > 499 {
				t.Errorf("report of %q = %d %s", day, status, body)
			}
		}
	}
}
