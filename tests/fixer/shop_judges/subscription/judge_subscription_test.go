package api

import (
	"strings"
	"testing"
)

// A target that is no URL is refused; the others are taken as before.
func TestJudgeSubscription(t *testing.T) {
	h := newHandler(t)
	for _, target := range []string{"https://[fe80::1", "%zz", "http://a.example.com/%2", "://", "ftp://a.example.com", ""} {
		body := `{"event":"order.placed","template":"order {id}","target":"` + target + `"}`
		if status, answer := call(h, "POST", "/subscriptions", body); status < 400 || status > 499 {
			t.Errorf("target %q = %d %s", target, status, answer)
		}
	}
	status, body := call(h, "POST", "/subscriptions",
		`{"event":"order.placed","template":"order {id}","target":"https://a.example.com:8443/hook"}`)
	if status != 201 || !strings.Contains(body, `"host":"a.example.com"`) {
		t.Errorf("a good target = %d %s", status, body)
	}
}
