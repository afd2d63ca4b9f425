package webui

import (
	"testing"

	"homehub/hub"
)

// Whatever the hub stores is told in the page's words and in units that people
// know: no title of the API's, which is English, is left over.
func TestFeedsInPeoplesWords(t *testing.T) {
	devices := []hub.DeviceState{{Device: hub.Device{ID: "car", Name: "Bolide"}, Has: hub.ReportTemp}}
	texts, err := newTexts("en")
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range texts.names {
		l := texts.langs[lang]
		seen := map[string]string{}
		for _, spec := range hub.FeedSpecs(hub.Snapshot{Devices: devices}) {
			title := l.feedTitle(Feed{Name: spec.Name, Title: "only for the API"}, devices)
			if title == spec.Name || title == "only for the API" || seen[title] != "" {
				t.Errorf("%s: %s is called %q, as is %q", lang, spec.Name, title, seen[title])
			}
			seen[title] = spec.Name
		}
	}
	for _, tt := range []struct {
		value float64
		unit  string
		want  string
	}{
		{1_234_567, "Wh", "1.234,6 kWh"}, {8_000, "mA", "8,0 A"}, {2_296, "dV", "229,6 V"}, {4_196_638, "dm³", "4.196,6 m³"}, {21.26, "°C", "21,3 °C"}, {-1_305, "W", "−1.305 W"},
	} {
		if got := texts.langs["nl"].feedValue(tt.value, tt.unit); got != tt.want {
			t.Errorf("%g %s is told as %q, want %q", tt.value, tt.unit, got, tt.want)
		}
	}
	if got := texts.langs["nl"].feedTitle(Feed{Name: "dev_gone_w", Title: "Gone"}, devices); got != "Gone" {
		t.Errorf("a feed of no device any more is called %q", got)
	}
}
