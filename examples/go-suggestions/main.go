// Command go-suggestions follows the suggestions of a running Hephaestus and prints each as it comes.
//
//	go run . -url http://127.0.0.1:9464
//
// It reads server-sent events with the standard library alone. When the connection breaks it comes back and
// tells the server the last suggestion it has seen, so that none is missed and none is printed twice.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// The server shows at least every 15 seconds that it lives.
	longestSilence = 45 * time.Second
	// The longest line: one suggestion as JSON.
	longestLine = 64 << 20
	longestWait = 30 * time.Second
)

// Suggestion is the part of a suggestion that this program prints.
type Suggestion struct {
	ID        string `json:"id"`
	Class     string `json:"class"`
	Title     string `json:"title"`
	Count     uint64 `json:"count"`
	Verdict   string `json:"verdict"`
	Status    string `json:"status"`
	Diagnosis string `json:"diagnosis"`
	Patch     string `json:"patch"`
}

// event is one server-sent event.
type event struct {
	id, name, data string
}

// refused is an answer that will not become better by asking again.
type refused struct{ detail string }

func (r refused) Error() string { return r.detail }

// follower reads the stream of one server and remembers how far it has come.
type follower struct {
	url    string
	token  string
	lastID string
	retry  time.Duration
}

// run hands every suggestion to handle, and reconnects until the context ends or handle says stop.
func (f *follower) run(ctx context.Context, handle func(Suggestion) (more bool)) error {
	wait := f.retry
	for {
		before := f.lastID
		more, err := f.connect(ctx, handle)
		if !more || ctx.Err() != nil {
			return nil
		}
		if no := (refused{}); errors.As(err, &no) {
			return err
		}
		if f.lastID != before {
			wait = f.retry
		}
		fmt.Fprintf(os.Stderr, "the stream ended (%v); coming back in %v\n", err, wait)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, longestWait)
	}
}

// connect reads one connection to its end.
func (f *follower) connect(ctx context.Context, handle func(Suggestion) bool) (more bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+"/api/v1/suggestions/stream", nil)
	if err != nil {
		return true, refused{err.Error()}
	}
	request.Header.Set("Accept", "text/event-stream")
	if f.lastID != "" {
		request.Header.Set("Last-Event-ID", f.lastID)
	}
	if f.token != "" {
		request.Header.Set("Authorization", "Bearer "+f.token)
	}
	silence := time.AfterFunc(longestSilence, cancel)
	defer silence.Stop()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return true, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return true, failure(response)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, longestLine)
	var current event
	for lines.Scan() {
		silence.Reset(longestSilence)
		if line := lines.Text(); line != "" {
			f.field(&current, line)
			continue
		}
		finished := current
		current = event{}
		if finished.name != "suggestion" {
			continue
		}
		var suggestion Suggestion
		if err := json.Unmarshal([]byte(finished.data), &suggestion); err != nil {
			return true, fmt.Errorf("event %s: %w", finished.id, err)
		}
		more := handle(suggestion)
		f.lastID = finished.id
		if !more {
			return false, nil
		}
	}
	if err := lines.Err(); err != nil {
		return true, err
	}
	return true, io.EOF
}

// field reads one line of an event.
func (f *follower) field(current *event, line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "id":
		current.id = value
	case "event":
		current.name = value
	case "data":
		if current.data != "" {
			current.data += "\n"
		}
		current.data += value
	case "retry":
		if millis, err := strconv.ParseUint(value, 10, 31); err == nil {
			f.retry = time.Duration(millis) * time.Millisecond
		}
	}
}

// failure tells why an answer is none. The server explains itself as RFC 9457 has it.
func failure(response *http.Response) error {
	var problem struct{ Title, Detail string }
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	detail := response.Status
	if json.Unmarshal(body, &problem) == nil && problem.Detail != "" {
		detail += ": " + problem.Detail
	}
	if response.StatusCode >= 400 && response.StatusCode < 500 {
		return refused{detail}
	}
	return errors.New(detail)
}

// plain is text without control characters: what comes from a log must not steer the terminal.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || (r >= ' ' && r != 0x7f && !(r >= 0x80 && r < 0xa0)) {
			return r
		}
		return '\uFFFD'
	}, text)
}

func times(count uint64) string {
	switch count {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", count)
}

func show(suggestion Suggestion) {
	fmt.Printf("%s  %s\n", suggestion.ID, plain(suggestion.Title))
	fmt.Printf("  %s, %s, seen %s, %s\n", suggestion.Verdict, suggestion.Class, times(suggestion.Count), suggestion.Status)
	fmt.Printf("  %s\n", plain(suggestion.Diagnosis))
	for _, line := range strings.Split(strings.TrimSuffix(plain(suggestion.Patch), "\n"), "\n") {
		if line != "" {
			fmt.Printf("    %s\n", line)
		}
	}
	fmt.Println()
}

func main() {
	url := flag.String("url", "http://127.0.0.1:9464", "where Hephaestus listens")
	after := flag.Uint64("after", 0, "the number of the last suggestion that is known already")
	count := flag.Int("count", 0, "end after so many suggestions (0: never)")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	follow := follower{
		url:   strings.TrimSuffix(*url, "/"),
		token: os.Getenv("HEPHAESTUS_TOKEN"),
		retry: time.Second,
	}
	if *after > 0 {
		follow.lastID = strconv.FormatUint(*after, 10)
	}
	seen := 0
	err := follow.run(ctx, func(suggestion Suggestion) bool {
		show(suggestion)
		seen++
		return *count == 0 || seen < *count
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
