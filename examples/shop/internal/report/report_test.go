package report

import (
	"testing"
	"time"

	"example.com/shop/internal/catalog"
	"example.com/shop/internal/orders"
)

func TestBuild(t *testing.T) {
	c := catalog.NewStore()
	if err := c.Put(catalog.Product{SKU: "TEA-1", Name: "Darjeeling", Price: 900}); err != nil {
		t.Fatal(err)
	}
	s := orders.NewService(c)
	for _, qty := range []int{1, 2} {
		if _, err := s.Place("ada", []orders.Line{{SKU: "TEA-1", Quantity: qty}}); err != nil {
			t.Fatal(err)
		}
	}
	today := time.Now().UTC().Truncate(24 * time.Hour)
	got := NewReporter(s).Build(today)
	want := Daily{Day: today.Format(time.DateOnly), Orders: 2, Revenue: 2700}
	if got != want {
		t.Errorf("Build = %+v, want %+v", got, want)
	}
}

func TestCache(t *testing.T) {
	c := NewCache()
	if _, ok := c.Get("2026-05-04"); ok {
		t.Error("an empty cache had an entry")
	}
	d := Daily{Day: "2026-05-04", Orders: 1, Revenue: 900}
	c.Put(d)
	if got, ok := c.Get("2026-05-04"); !ok || got != d {
		t.Errorf("Get = %+v, %t", got, ok)
	}
}
