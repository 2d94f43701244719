package pricing

import (
	"errors"
	"reflect"
	"testing"
)

func TestApplyVoucher(t *testing.T) {
	tests := []struct {
		code  string
		total int64
		want  int64
	}{
		{"PCT-15", 10000, 8500},
		{"PCT-100", 10000, 0},
		{"OFF-500", 2000, 1500},
		{"OFF-500", 300, 0},
	}
	for _, tt := range tests {
		got, err := ApplyVoucher(tt.total, tt.code)
		if err != nil || got != tt.want {
			t.Errorf("ApplyVoucher(%d, %q) = %d, %v; want %d", tt.total, tt.code, got, err, tt.want)
		}
	}
	for _, code := range []string{"PCT-0", "PCT-101", "OFF-x", "SALE50"} {
		if _, err := ApplyVoucher(1000, code); !errors.Is(err, ErrVoucher) {
			t.Errorf("ApplyVoucher(%q): %v", code, err)
		}
	}
}

func TestInstallments(t *testing.T) {
	got, err := Installments(1000, 3)
	if err != nil || !reflect.DeepEqual(got, []int64{334, 333, 333}) {
		t.Errorf("Installments = %v, %v", got, err)
	}
	if _, err := Installments(-1, 3); err == nil {
		t.Error("a negative total was split")
	}
}
