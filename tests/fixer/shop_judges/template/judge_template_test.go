package notify

import (
	"bytes"
	"log/slog"
	"testing"
)

// A template with an open brace is either refused or taken literally, and never a panic.
func TestJudgeTemplate(t *testing.T) {
	vars := map[string]string{"id": "ord-0001", "": "nothing"}
	for template, literal := range map[string]string{
		"new order {id":  "new order {id",
		"{":              "{",
		"{id} and {":     "ord-0001 and {",
		"a } before a {": "a } before a {",
	} {
		if got, err := Expand(template, vars); err == nil && got != literal {
			t.Errorf("Expand(%q) = %q without an error", template, got)
		}
	}
	for template, want := range map[string]string{
		"":                "",
		"plain } text":    "plain } text",
		"{id}":            "ord-0001",
		"{id}, {id}; end": "ord-0001, ord-0001; end",
	} {
		if got, err := Expand(template, vars); err != nil || got != want {
			t.Errorf("Expand(%q) = %q, %v; want %q", template, got, err, want)
		}
	}

	var log bytes.Buffer
	var sent []string
	h := NewHub(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})), func(_, message string) error {
		sent = append(sent, message)
		return nil
	})
	if _, err := h.Subscribe("order.placed", "https://a.example.com", "order {id}"); err != nil {
		t.Fatal(err)
	}
	_, _ = h.Subscribe("order.placed", "https://b.example.com", "order {id")
	h.Publish("order.placed", vars)
	if len(sent) == 0 || sent[0] != "order ord-0001" {
		t.Errorf("sent %q", sent)
	}
	if log.Len() > 0 {
		t.Errorf("logged %s", log.String())
	}
}
