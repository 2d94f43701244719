package payment

import "testing"

func TestParseEvent(t *testing.T) {
	got, err := ParseEvent([]byte(`{"type":"captured","id":"ev_1","data":{"order":"ord-0001","amount":2700}}`))
	want := Event{Type: "captured", Order: "ord-0001", Amount: 2700}
	if err != nil || got != want {
		t.Errorf("ParseEvent = %+v, %v; want %+v", got, err, want)
	}
}

func TestParseEventRejects(t *testing.T) {
	for _, body := range []string{
		``,
		`[]`,
		`{"data":{}}`,
		`{"type":"captured"}`,
		`{"type":"captured","data":{"amount":1}}`,
	} {
		if _, err := ParseEvent([]byte(body)); err == nil {
			t.Errorf("ParseEvent(%s) was accepted", body)
		}
	}
}
