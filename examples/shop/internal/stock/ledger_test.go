package stock

import (
	"errors"
	"testing"
)

func TestReceive(t *testing.T) {
	l := NewLedger()
	if err := l.Receive("TEA-1", 5); err != nil {
		t.Fatal(err)
	}
	if err := l.Receive("TEA-1", 2); err != nil {
		t.Fatal(err)
	}
	if got := l.Available("TEA-1"); got != 7 {
		t.Errorf("available = %d, want 7", got)
	}
	if err := l.Receive("TEA-1", 0); err == nil {
		t.Error("a delivery of nothing was booked")
	}
}

func TestHoldNeedsStock(t *testing.T) {
	l := NewLedger()
	if err := l.Hold("TEA-1", 1); !errors.Is(err, ErrInsufficient) {
		t.Errorf("Hold without stock: %v", err)
	}
}
