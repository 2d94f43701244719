package store

import (
	"errors"
	"fmt"
)

type Item struct {
	Name  string
	Price int
	Next  *Item
}

type Store struct {
	items map[string]*Item
	tags  map[string]string
}

func New() *Store { return &Store{items: map[string]*Item{}} }

func (s *Store) Tag(k, v string) { s.tags[k] = v }

func (s *Store) Find(k string) (*Item, error) {
	if it, ok := s.items[k]; ok {
		return it, nil
	}
	return nil, errors.New("not found: " + k)
}

func (s *Store) Price(k string) int {
	it, _ := s.Find(k)
	return it.Price
}

type Stack[T any] struct{ vals []T }

func (s *Stack[T]) Pop() T {
	v := s.vals[len(s.vals)-1]
	s.vals = s.vals[:len(s.vals)-1]
	return v
}

func Each[T any](in []T, f func(T)) {
	for _, v := range in {
		f(v)
	}
}

type Fault struct{ Code int }

func (f *Fault) Error() string { return fmt.Sprintf("fault %d", f.Code) }

type Mode string
