package api

import (
	"strings"
	"testing"
)

// A line with too few columns is refused like any other malformed line.
func TestJudgeImportRow(t *testing.T) {
	h := newHandler(t)
	const header = "sku,name,price,quantity\n"
	for _, line := range []string{"TEA-3", "TEA-3,Sencha", "TEA-3,Sencha,800", "CUP-1,Cup,1200,4\nTEA-3,Sencha"} {
		if status, body := call(h, "POST", "/import", header+line+"\n"); status < 400 || status > 499 {
			t.Errorf("import of %q = %d %s", line, status, body)
		}
		if status, _ := call(h, "GET", "/products/TEA-3/price", ""); status != 404 {
			t.Errorf("import of %q left a product behind", line)
		}
	}
	status, body := call(h, "POST", "/import", header+"TEA-3,Sencha,800,6\nTEA-4,Gunpowder,700,0,green loose\n")
	if status != 200 || !strings.Contains(body, `{"imported":2}`) {
		t.Errorf("import of whole lines = %d %s", status, body)
	}
	if _, body := call(h, "GET", "/products/TEA-3/stock", ""); !strings.Contains(body, `{"available":6}`) {
		t.Errorf("stock after the import: %s", body)
	}
}
