package worker

import "testing"

// A receipt without a usable address fails as a job; the process lives on.
func TestJudgeReceiptJob(t *testing.T) {
	for _, email := range []any{nil, 7.0, true, []any{"ada@example.com"}, map[string]any{}} {
		payload := map[string]any{"order": "ord-0001", "email": email}
		if got, err := Process(Job{Kind: "receipt", Payload: payload}); err == nil {
			t.Errorf("receipt to %v = %q", email, got)
		}
	}
	if got, err := Process(Job{Kind: "receipt", Payload: map[string]any{"order": "ord-0001"}}); err == nil {
		t.Errorf("receipt to nobody = %q", got)
	}
	payload := map[string]any{"order": "ord-0001", "email": "Ada@Example.com"}
	got, err := Process(Job{Kind: "receipt", Payload: payload})
	if err != nil || got != "to ada@example.com: receipt for ord-0001" {
		t.Errorf("receipt = %q, %v", got, err)
	}
}
