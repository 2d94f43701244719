package worker

import "testing"

// Units cannot go into no bins: the job fails, and the process lives on.
func TestJudgeRebalanceJob(t *testing.T) {
	for _, bins := range []any{nil, "", "  ", 3.0} {
		payload := map[string]any{"units": 12.0, "bins": bins}
		if got, err := Process(Job{Kind: "rebalance", Payload: payload}); err == nil {
			t.Errorf("12 units in bins %v = %q", bins, got)
		}
	}
	for bins, want := range map[string]string{
		"A1":       "12 units in 1 bins",
		"A1 A2 B1": "12 units in 3 bins",
	} {
		payload := map[string]any{"units": 12.0, "bins": bins}
		if got, err := Process(Job{Kind: "rebalance", Payload: payload}); err != nil || got != want {
			t.Errorf("12 units in bins %s = %q, %v", bins, got, err)
		}
	}
}
