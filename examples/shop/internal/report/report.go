// Package report sums up what the shop sold.
package report

import (
	"fmt"
	"sync"
	"time"

	"example.com/shop/internal/orders"
)

// Daily is the turnover of one day.
type Daily struct {
	Day     string `json:"day"`
	Orders  int    `json:"orders"`
	Revenue int64  `json:"revenue"`
}

// Cache keeps the reports of days that are over.
type Cache struct {
	mu      sync.Mutex
	entries map[string]Daily
}

// NewCache returns an empty cache.
func NewCache() *Cache {
	return &Cache{entries: make(map[string]Daily)}
}

// Get returns the report kept for a day.
func (c *Cache) Get(day string) (Daily, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.entries[day]
	return d, ok
}

// Put keeps a report.
func (c *Cache) Put(d Daily) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[d.Day] = d
}

// Reporter builds reports from the orders.
type Reporter struct {
	orders *orders.Service
	cache  *Cache
	now    func() time.Time
}

// NewReporter returns a reporter on the given orders.
func NewReporter(o *orders.Service) *Reporter {
	return &Reporter{orders: o, now: time.Now}
}

// Build sums up one day.
func (r *Reporter) Build(day time.Time) Daily {
	d := Daily{Day: day.Format(time.DateOnly)}
	for _, o := range r.orders.On(day) {
		d.Orders++
		d.Revenue += o.Total()
	}
	return d
}

// Daily returns the report of a day written as 2006-01-02, from the cache if it is there.
func (r *Reporter) Daily(day string) (Daily, error) {
	if d, ok := r.cache.Get(day); ok {
		return d, nil
	}
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return Daily{}, fmt.Errorf("day %q: %w", day, err)
	}
	d := r.Build(at)
	if at.AddDate(0, 0, 1).Before(r.now()) {
		r.cache.Put(d)
	}
	return d, nil
}
