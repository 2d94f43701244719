package shipping

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestRates(t *testing.T) {
	carrier := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("to") == "00000" {
			http.Error(w, "no such place", http.StatusNotFound)
			return
		}
		fmt.Fprint(w, `[{"service":"standard","price":490}]`)
	}))
	defer carrier.Close()
	c := NewClient(carrier.URL + "/")
	rates, err := c.Rates(context.Background(), "10115")
	if err != nil || len(rates) != 1 || rates[0].Price != 490 {
		t.Errorf("Rates = %+v, %v", rates, err)
	}
	if _, err := c.Rates(context.Background(), "00000"); err == nil {
		t.Error("an error of the carrier was swallowed")
	}
}

func TestParseDay(t *testing.T) {
	got, err := ParseDay(" 05/05/2026 ")
	if err != nil || !got.Equal(time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("ParseDay = %v, %v", got, err)
	}
	if _, err := ParseDay("tomorrow"); err == nil {
		t.Error("a word was accepted as a day")
	}
}
