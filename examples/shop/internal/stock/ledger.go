// Package stock tracks how many units of each SKU are on hand and on hold.
package stock

import (
	"errors"
	"fmt"
	"sync"
)

// ErrInsufficient is returned when fewer units are available than asked for.
var ErrInsufficient = errors.New("insufficient stock")

// Ledger counts units by SKU.
type Ledger struct {
	mu     sync.Mutex
	onHand map[string]int
	held   map[string]int
}

// NewLedger returns a ledger with no stock.
func NewLedger() *Ledger {
	return &Ledger{onHand: make(map[string]int)}
}

// Receive books incoming units.
func (l *Ledger) Receive(sku string, qty int) error {
	if qty <= 0 {
		return fmt.Errorf("receive %s: quantity %d", sku, qty)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onHand[sku] += qty
	return nil
}

// Available returns the units on hand that nobody holds.
func (l *Ledger) Available(sku string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.onHand[sku] - l.held[sku]
}

// Hold sets units aside for a customer.
func (l *Ledger) Hold(sku string, qty int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if free := l.onHand[sku] - l.held[sku]; free < qty {
		return fmt.Errorf("%w: %s has %d, want %d", ErrInsufficient, sku, free, qty)
	}
	l.held[sku] += qty
	return nil
}
