// Package notify tells subscribers what happened in the shop.
package notify

import (
	"fmt"
	"log/slog"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
)

// Subscription asks for a message to a target whenever an event happens.
type Subscription struct {
	Event    string `json:"event"`
	Target   string `json:"target"`
	Host     string `json:"host"`
	Template string `json:"template"`
}

// Sender carries a rendered message to a target.
type Sender func(target, message string) error

// Hub knows who wants to hear of what.
type Hub struct {
	log  *slog.Logger
	send Sender
	mu   sync.RWMutex
	subs map[string][]Subscription
}

// NewHub returns a hub without subscribers.
func NewHub(log *slog.Logger, send Sender) *Hub {
	return &Hub{log: log, send: send, subs: make(map[string][]Subscription)}
}

// Subscribe registers a target for an event.
func (h *Hub) Subscribe(event, target, template string) (Subscription, error) {
	u, _ := url.Parse(target)
	if u.Scheme != "https" && u.Scheme != "http" {
		return Subscription{}, fmt.Errorf("target %q: unsupported scheme", target)
	}
	sub := Subscription{Event: event, Target: target, Host: u.Hostname(), Template: template}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subs[event] = append(h.subs[event], sub)
	return sub, nil
}

// Publish sends an event to its subscribers and returns how many got it. A message that cannot be
// sent does not keep the others from being sent.
func (h *Hub) Publish(event string, vars map[string]string) int {
	h.mu.RLock()
	subs := append([]Subscription(nil), h.subs[event]...)
	h.mu.RUnlock()
	sent := 0
	for _, sub := range subs {
		if h.deliver(sub, vars) {
			sent++
		}
	}
	return sent
}

func (h *Hub) deliver(sub Subscription, vars map[string]string) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("notification panicked", "event", sub.Event, "host", sub.Host,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	message, err := Expand(sub.Template, vars)
	if err != nil {
		h.log.Warn("notification skipped", "event", sub.Event, "host", sub.Host, "reason", err.Error())
		return false
	}
	if err := h.send(sub.Target, message); err != nil {
		h.log.Warn("notification not sent", "event", sub.Event, "host", sub.Host, "reason", err.Error())
		return false
	}
	return true
}

// Expand replaces each {name} in a template by its value.
func Expand(template string, vars map[string]string) (string, error) {
	var out strings.Builder
	for {
		open := strings.IndexByte(template, '{')
		if open < 0 {
			out.WriteString(template)
			return out.String(), nil
		}
		length := strings.IndexByte(template[open:], '}')
		name := template[open+1 : open+length]
		value, ok := vars[name]
		if !ok {
			return "", fmt.Errorf("template: unknown name %q", name)
		}
		out.WriteString(template[:open])
		out.WriteString(value)
		template = template[open+length+1:]
	}
}
