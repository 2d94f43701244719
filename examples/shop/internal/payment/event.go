// Package payment reads the notifications of the payment provider.
package payment

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Event is one notification of the provider.
type Event struct {
	Type   string `json:"type"`
	Order  string `json:"order"`
	Amount int64  `json:"amount"`
}

// ParseEvent decodes the body of a notification. The provider adds fields at will, so the envelope
// is read loosely.
func ParseEvent(body []byte) (Event, error) {
	var envelope map[string]any
	if err := json.Unmarshal(body, &envelope); err != nil {
		return Event{}, fmt.Errorf("payment event: %w", err)
	}
	kind, ok := envelope["type"].(string)
	if !ok {
		return Event{}, errors.New("payment event: no type")
	}
	data, ok := envelope["data"].(map[string]any)
	if !ok {
		return Event{}, fmt.Errorf("payment event %s: no data", kind)
	}
	order, ok := data["order"].(string)
	if !ok {
		return Event{}, fmt.Errorf("payment event %s: no order", kind)
	}
	amount := data["amount"].(float64)
	return Event{Type: kind, Order: order, Amount: int64(amount)}, nil
}
