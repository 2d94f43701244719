package catalog

import (
	"errors"
	"testing"
)

func seeded(t *testing.T) *Store {
	t.Helper()
	s := NewStore()
	for _, p := range []Product{
		{SKU: "TEA-2", Name: "Assam", Price: 750},
		{SKU: "CUP-1", Name: "Cup", Price: 1200},
		{SKU: "TEA-1", Name: "Darjeeling", Price: 900, Tags: []string{"loose"}},
	} {
		if err := s.Put(p); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestPutRejectsIncompleteProducts(t *testing.T) {
	s := NewStore()
	if err := s.Put(Product{Name: "nameless"}); err == nil {
		t.Error("a product without SKU was accepted")
	}
	if err := s.Put(Product{SKU: "TEA-1", Price: -1}); err == nil {
		t.Error("a negative price was accepted")
	}
}

func TestGet(t *testing.T) {
	s := seeded(t)
	p, err := s.Get("TEA-1")
	if err != nil || p.Price != 900 {
		t.Fatalf("Get = %+v, %v", p, err)
	}
	if _, err := s.Get("TEA-9"); !errors.Is(err, ErrNotFound) {
		t.Fatalf("Get of an unknown SKU: %v", err)
	}
}

func TestListPages(t *testing.T) {
	s := seeded(t)
	first := s.List(0, 2)
	if len(first) != 2 || first[0].SKU != "CUP-1" || first[1].SKU != "TEA-1" {
		t.Fatalf("first page = %+v", first)
	}
	second := s.List(1, 2)
	if len(second) != 1 || second[0].SKU != "TEA-2" {
		t.Fatalf("second page = %+v", second)
	}
}
