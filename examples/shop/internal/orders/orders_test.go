package orders

import (
	"errors"
	"testing"
	"time"

	"example.com/shop/internal/catalog"
)

func newService(t *testing.T) *Service {
	t.Helper()
	c := catalog.NewStore()
	if err := c.Put(catalog.Product{SKU: "TEA-1", Name: "Darjeeling", Price: 900}); err != nil {
		t.Fatal(err)
	}
	return NewService(c)
}

func TestPlaceAndSummary(t *testing.T) {
	s := newService(t)
	o, err := s.Place("ada", []Line{{SKU: "TEA-1", Quantity: 3}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Pay(o.ID, 700); err != nil {
		t.Fatal(err)
	}
	got, err := s.Summary(o.ID)
	want := Summary{ID: o.ID, Customer: "ada", Units: 3, Total: 2700, Open: 2000}
	if err != nil || got != want {
		t.Errorf("Summary = %+v, %v; want %+v", got, err, want)
	}
}

func TestPlaceRejects(t *testing.T) {
	s := newService(t)
	if _, err := s.Place("", []Line{{SKU: "TEA-1", Quantity: 1}}); err == nil {
		t.Error("an order without customer was accepted")
	}
	if _, err := s.Place("ada", []Line{{SKU: "TEA-1"}}); err == nil {
		t.Error("a line without quantity was accepted")
	}
	if _, err := s.Place("ada", []Line{{SKU: "TEA-9", Quantity: 1}}); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("unknown SKU: %v", err)
	}
}

func TestUnknownOrder(t *testing.T) {
	s := newService(t)
	if _, err := s.Find("ord-9999"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Find: %v", err)
	}
	if err := s.Pay("ord-9999", 1); !errors.Is(err, ErrNotFound) {
		t.Errorf("Pay: %v", err)
	}
}

func TestOn(t *testing.T) {
	s := newService(t)
	s.now = func() time.Time { return time.Date(2026, 5, 4, 17, 30, 0, 0, time.UTC) }
	if _, err := s.Place("ada", []Line{{SKU: "TEA-1", Quantity: 1}}); err != nil {
		t.Fatal(err)
	}
	if got := s.On(time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)); len(got) != 1 {
		t.Errorf("orders of the day = %d, want 1", len(got))
	}
	if got := s.On(time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC)); len(got) != 0 {
		t.Errorf("orders of the next day = %d, want 0", len(got))
	}
}
