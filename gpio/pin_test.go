package gpio_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"homehub/gpio"
	"homehub/hub"
)

func TestParsePins(t *testing.T) {
	tests := []struct {
		name, topic string
		want        []gpio.Pin
		wrong       string // what the error says; "" for none
	}{
		{"one pin", "GPIO17", []gpio.Pin{{Name: "GPIO17"}}, ""},
		{"active-low", "!GPIO17", []gpio.Pin{{Name: "GPIO17", ActiveLow: true}}, ""},
		{"several", "GPIO17,!GPIO27,GPIO4", []gpio.Pin{{Name: "GPIO17"}, {Name: "GPIO27", ActiveLow: true}, {Name: "GPIO4"}}, ""},
		{"first and last", "GPIO2,GPIO27", []gpio.Pin{{Name: "GPIO2"}, {Name: "GPIO27"}}, ""},
		{"empty", "", nil, "is not a pin"},
		{"trailing comma", "GPIO17,", nil, "is not a pin"},
		{"space", "GPIO17, GPIO27", nil, "is not a pin"},
		{"lower case", "gpio17", nil, "is not a pin"},
		{"number only", "17", nil, "is not a pin"},
		{"two bangs", "!!GPIO17", nil, "is not a pin"},
		{"leading zero", "GPIO07", nil, "is not a pin"},
		{"sign", "GPIO+7", nil, "is not a pin"},
		{"no number", "GPIO", nil, "is not a pin"},
		{"a topic of MQTT", "emon/plug", nil, "is not a pin"},
		{"identification pin", "GPIO1", nil, "GPIO1 is not free"},
		{"beyond the header", "GPIO28", nil, "GPIO28 is not free"},
		{"twice", "GPIO17,GPIO17", nil, "GPIO17 is named twice"},
		{"twice, once active-low", "GPIO17,!GPIO17", nil, "GPIO17 is named twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := gpio.ParsePins(tt.topic)
			if tt.wrong == "" {
				if err != nil || !slices.Equal(got, tt.want) {
					t.Fatalf("got %v, %v, want %v", got, err, tt.want)
				}
				return
			}
			e, ok := errors.AsType[*hub.Error](err)
			if !ok || e.Code != hub.Invalid || e.Field != "topic" || !strings.Contains(e.Message, tt.wrong) {
				t.Fatalf("got %v, %v, want an invalid topic that %q", got, err, tt.wrong)
			}
		})
	}
}

func FuzzParsePins(f *testing.F) {
	for _, topic := range []string{"GPIO17", "!GPIO17,GPIO27", "GPIO1", ",", "GPIO17,!GPIO17", "GPIO99999999999999999999"} {
		f.Add(topic)
	}
	f.Fuzz(func(t *testing.T, topic string) {
		pins, err := gpio.ParsePins(topic)
		if err != nil {
			return
		}
		var parts []string
		for _, p := range pins {
			parts = append(parts, p.String())
		}
		if got := strings.Join(parts, ","); got != topic {
			t.Errorf("%q came back as %q", topic, got)
		}
	})
}
