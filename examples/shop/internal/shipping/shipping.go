// Package shipping talks to the carrier and plans deliveries.
package shipping

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// dayLayout is how the order form writes a delivery day: day, month, year, as in 24/12/2026.
const dayLayout = "01/02/2006"

// Rate is what the carrier asks for one service level.
type Rate struct {
	Service string `json:"service"`
	Price   int64  `json:"price"`
}

// Client asks the carrier for rates.
type Client struct {
	base string
	http *http.Client
}

// NewClient returns a client for the carrier at the given address.
func NewClient(base string) *Client {
	return &Client{base: strings.TrimSuffix(base, "/"), http: &http.Client{Timeout: 3 * time.Second}}
}

// Rates returns the carrier's offers for a destination.
func (c *Client) Rates(ctx context.Context, postcode string) ([]Rate, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/rates?to="+url.QueryEscape(postcode), nil)
	if err != nil {
		return nil, fmt.Errorf("carrier request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("carrier: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("carrier: status %s", resp.Status)
	}
	var rates []Rate
	if err := json.NewDecoder(resp.Body).Decode(&rates); err != nil {
		return nil, fmt.Errorf("carrier answer: %w", err)
	}
	return rates, nil
}

// ParseDay reads a delivery day.
func ParseDay(day string) (time.Time, error) {
	at, err := time.Parse(dayLayout, strings.TrimSpace(day))
	if err != nil {
		return time.Time{}, fmt.Errorf("delivery day: %w", err)
	}
	return at, nil
}
