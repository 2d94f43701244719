package worker

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestProcess(t *testing.T) {
	tests := []struct {
		job  Job
		want string
	}{
		{Job{Kind: "receipt", Payload: map[string]any{"order": "ord-0001", "email": "Ada@example.com"}}, "to ada@example.com: receipt for ord-0001"},
		{Job{Kind: "rebalance", Payload: map[string]any{"units": 7.0, "bins": "A1 A2"}}, "7 units in 2 bins"},
	}
	for _, tt := range tests {
		got, err := Process(tt.job)
		if err != nil || got != tt.want {
			t.Errorf("Process(%s) = %q, %v; want %q", tt.job.Kind, got, err, tt.want)
		}
	}
	for _, kind := range []string{"", "fly", "receipt", "rebalance"} {
		if _, err := Process(Job{Kind: kind}); err == nil {
			t.Errorf("an empty job of kind %q succeeded", kind)
		}
	}
}

func TestDistribute(t *testing.T) {
	got, err := Distribute(7, []string{"A1", "A2", "B1"})
	if want := map[string]int{"A1": 3, "A2": 2, "B1": 2}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Distribute = %v, %v; want %v", got, err, want)
	}
	if _, err := Distribute(-1, []string{"A1"}); err == nil {
		t.Error("negative units were distributed")
	}
}

func TestQueue(t *testing.T) {
	var out strings.Builder
	w := New(slog.New(slog.NewTextHandler(io.Discard, nil)), 1)
	if err := w.Enqueue(Job{Kind: "fly"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Enqueue(Job{Kind: "fly"}); !errors.Is(err, ErrBusy) {
		t.Errorf("a full queue took a job: %v", err)
	}
	w.log = slog.New(slog.NewTextHandler(&out, nil))
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	w.Run(ctx)
	if !strings.Contains(out.String(), "job failed") {
		t.Errorf("log = %s", out.String())
	}
}
