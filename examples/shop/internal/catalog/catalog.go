// Package catalog keeps the products the shop sells.
package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// ErrNotFound is returned for a SKU the catalog does not know.
var ErrNotFound = errors.New("product not found")

// Product is one article. Prices are in cents.
type Product struct {
	SKU   string   `json:"sku"`
	Name  string   `json:"name"`
	Price int64    `json:"price"`
	Tags  []string `json:"tags,omitempty"`
}

// Store is an in-memory catalog, safe for concurrent use.
type Store struct {
	mu       sync.RWMutex
	products map[string]Product
}

// NewStore returns an empty catalog.
func NewStore() *Store {
	return &Store{products: make(map[string]Product)}
}

// Put adds a product or replaces the one with the same SKU.
func (s *Store) Put(p Product) error {
	if p.SKU == "" {
		return errors.New("product has no SKU")
	}
	if p.Price < 0 {
		return fmt.Errorf("product %s: negative price %d", p.SKU, p.Price)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.products[p.SKU] = p
	return nil
}

// Get returns the product with the given SKU.
func (s *Store) Get(sku string) (Product, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, ok := s.products[sku]
	if !ok {
		return Product{}, fmt.Errorf("%w: %s", ErrNotFound, sku)
	}
	return p, nil
}

// List returns one page of the catalog in SKU order. Pages count from zero.
func (s *Store) List(page, size int) []Product {
	s.mu.RLock()
	all := make([]Product, 0, len(s.products))
	for _, p := range s.products {
		all = append(all, p)
	}
	s.mu.RUnlock()
	slices.SortFunc(all, func(a, b Product) int { return cmp.Compare(a.SKU, b.SKU) })

	start := page * size
	end := start + size
	if end > len(all) {
		end = len(all)
	}
	return all[start:end]
}
