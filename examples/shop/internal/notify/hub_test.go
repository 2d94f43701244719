package notify

import (
	"errors"
	"io"
	"log/slog"
	"reflect"
	"testing"
)

func TestExpand(t *testing.T) {
	vars := map[string]string{"id": "ord-0001", "customer": "ada"}
	got, err := Expand("{customer}: order {id} placed", vars)
	if err != nil || got != "ada: order ord-0001 placed" {
		t.Errorf("Expand = %q, %v", got, err)
	}
	if _, err := Expand("{total}", vars); err == nil {
		t.Error("an unknown name was accepted")
	}
}

func TestPublish(t *testing.T) {
	var got []string
	h := NewHub(slog.New(slog.NewTextHandler(io.Discard, nil)), func(target, message string) error {
		if target == "https://down.example.com/" {
			return errors.New("unreachable")
		}
		got = append(got, target+" "+message)
		return nil
	})
	for _, target := range []string{"https://down.example.com/", "https://a.example.com/hook"} {
		if _, err := h.Subscribe("order.placed", target, "order {id}"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Subscribe("order.placed", "ftp://a.example.com/", ""); err == nil {
		t.Error("an FTP target was accepted")
	}
	if n := h.Publish("order.placed", map[string]string{"id": "ord-0001"}); n != 1 {
		t.Errorf("Publish = %d, want 1", n)
	}
	if want := []string{"https://a.example.com/hook order ord-0001"}; !reflect.DeepEqual(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}
