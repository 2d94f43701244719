// Package orders places orders and answers questions about them.
package orders

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"example.com/shop/internal/catalog"
)

// ErrNotFound is returned for an order id nobody placed.
var ErrNotFound = errors.New("order not found")

// Line is one position of an order.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
	Price    int64  `json:"price"`
}

// Order is what a customer bought.
type Order struct {
	ID       string    `json:"id"`
	Customer string    `json:"customer"`
	Lines    []Line    `json:"lines"`
	Paid     int64     `json:"paid"`
	Placed   time.Time `json:"placed"`
	Delivery time.Time `json:"delivery"`
}

// Total is the sum of all lines in cents.
func (o *Order) Total() int64 {
	var sum int64
	for _, l := range o.Lines {
		sum += l.Price * int64(l.Quantity)
	}
	return sum
}

// Summary is the short form of an order shown in lists.
type Summary struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Units    int    `json:"units"`
	Total    int64  `json:"total"`
	Open     int64  `json:"open"`
}

// Service keeps orders in memory.
type Service struct {
	mu      sync.Mutex
	catalog *catalog.Store
	byID    map[string]*Order
	now     func() time.Time
}

// NewService returns a service that prices orders from the catalog.
func NewService(c *catalog.Store) *Service {
	return &Service{catalog: c, byID: make(map[string]*Order), now: time.Now}
}

// Place stores a new order, priced as of now.
func (s *Service) Place(customer string, lines []Line) (*Order, error) {
	if customer == "" || len(lines) == 0 {
		return nil, errors.New("an order needs a customer and at least one line")
	}
	priced := make([]Line, 0, len(lines))
	for _, l := range lines {
		if l.Quantity <= 0 {
			return nil, fmt.Errorf("line %s: quantity %d", l.SKU, l.Quantity)
		}
		p, err := s.catalog.Get(l.SKU)
		if err != nil {
			return nil, err
		}
		priced = append(priced, Line{SKU: l.SKU, Quantity: l.Quantity, Price: p.Price})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &Order{
		ID:       fmt.Sprintf("ord-%04d", len(s.byID)+1),
		Customer: customer,
		Lines:    priced,
		Placed:   s.now().UTC(),
	}
	s.byID[o.ID] = o
	return o, nil
}

// Find returns the order with the given id.
func (s *Service) Find(id string) (*Order, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.byID[id]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	return o, nil
}

// Summary condenses an order.
func (s *Service) Summary(id string) (Summary, error) {
	order, _ := s.Find(id)
	sum := Summary{ID: order.ID, Customer: order.Customer, Total: order.Total()}
	for _, l := range order.Lines {
		sum.Units += l.Quantity
	}
	sum.Open = sum.Total - order.Paid
	return sum, nil
}

// Schedule sets the day an order is delivered.
func (s *Service) Schedule(id string, day time.Time) error {
	o, err := s.Find(id)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o.Delivery = day
	return nil
}

// Pay books a payment on an order.
func (s *Service) Pay(id string, amount int64) error {
	o, err := s.Find(id)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o.Paid += amount
	return nil
}

// On returns the orders placed on the given day.
func (s *Service) On(day time.Time) []Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Order
	for _, o := range s.byID {
		if o.Placed.Truncate(24 * time.Hour).Equal(day) {
			out = append(out, *o)
		}
	}
	return out
}
