// Package worker does in the background what no customer should wait for.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// ErrBusy is returned when the queue is full.
var ErrBusy = errors.New("worker queue is full")

// Job is one piece of work, as it came in over the API.
type Job struct {
	Kind    string         `json:"kind"`
	Payload map[string]any `json:"payload"`
}

// Worker runs jobs one after another.
type Worker struct {
	log   *slog.Logger
	queue chan Job
}

// New returns a worker with room for so many waiting jobs.
func New(log *slog.Logger, capacity int) *Worker {
	return &Worker{log: log, queue: make(chan Job, capacity)}
}

// Enqueue hands a job to the worker.
func (w *Worker) Enqueue(job Job) error {
	select {
	case w.queue <- job:
		return nil
	default:
		return ErrBusy
	}
}

// Run works off the queue until the context ends.
func (w *Worker) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case job := <-w.queue:
			result, err := Process(job)
			if err != nil {
				w.log.Error("job failed", "kind", job.Kind, "error", err.Error())
				continue
			}
			w.log.Info("job done", "kind", job.Kind, "result", result)
		}
	}
}

// Process runs one job and returns a line about its result.
func Process(job Job) (string, error) {
	switch job.Kind {
	case "receipt":
		return Receipt(job.Payload)
	case "rebalance":
		units, ok := job.Payload["units"].(float64)
		if !ok {
			return "", errors.New("rebalance: no units")
		}
		var bins []string
		if names, ok := job.Payload["bins"].(string); ok {
			bins = strings.Fields(names)
		}
		shares, err := Distribute(int(units), bins)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d units in %d bins", int(units), len(shares)), nil
	default:
		return "", fmt.Errorf("unknown job kind %q", job.Kind)
	}
}

// Receipt renders the receipt mail of an order.
func Receipt(payload map[string]any) (string, error) {
	order, ok := payload["order"].(string)
	if !ok {
		return "", errors.New("receipt: no order")
	}
	to := payload["email"].(string)
	return fmt.Sprintf("to %s: receipt for %s", strings.ToLower(to), order), nil
}

// Distribute spreads units evenly over storage bins. The first bins take the remainder.
func Distribute(units int, bins []string) (map[string]int, error) {
	if units < 0 {
		return nil, fmt.Errorf("cannot distribute %d units", units)
	}
	share, rest := units/len(bins), units%len(bins)
	shares := make(map[string]int, len(bins))
	for i, bin := range bins {
		shares[bin] = share
		if i < rest {
			shares[bin]++
		}
	}
	return shares, nil
}
