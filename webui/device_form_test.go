package webui_test

import (
	"net/url"
	"strings"
	"testing"

	"homehub/hub"
	"homehub/webui"
)

// What people know of how a device is wired can be said on the page, and what
// a form has no field for stays.
func TestWiringOnThePage(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Installer)
	if status, _ := b.post("/devices/car/change", "wired", "1", "min_amps", "8", "max_amps", "32", "phases", "3", "switch_phases", "1", "line", "0", "capacity_wh", "52,5"); status != 303 {
		t.Fatalf("the charger: %d", status)
	}
	d, _ := h.hub.Device("car")
	if d.MinAmps != 8 || d.MaxAmps != 32 || d.Phases != 3 || !d.SwitchPhases || d.Battery == nil || d.Battery.Capacity != 52_500 || d.Schedule == nil || d.Name != "Car" {
		t.Errorf("the charger is %+v, battery %+v", d.Device, d.Battery)
	}
	if _, page := b.do("GET", "/devices", "", "Accept-Language", "nl"); !strings.Contains(page, `value="52,5"`) {
		t.Error("the page does not show the capacity")
	}
	if status, _ := b.post("/devices/car/change", "wired", "1", "phases", "1", "switch_phases", "1", "capacity_wh", ""); status != 303 {
		t.Errorf("back to one phase: %d", status)
	}
	if d, _ := h.hub.Device("car"); d.Phases != 1 || d.SwitchPhases || d.Battery != nil || d.MaxAmps != 32 {
		t.Errorf("the charger is %+v", d.Device)
	}
	b.post("/devices/washer/change", "wired", "1", "line", "2", "essential", "1")
	if d, _ := h.hub.Device("washer"); d.Line != 2 || !d.Essential || d.Power != 2100 {
		t.Errorf("the plug is %+v", d.Device)
	}
	b.post("/devices/washer/change", "name", "Washer") // a form without the boxes
	if d, _ := h.hub.Device("washer"); d.Name != "Washer" || !d.Essential {
		t.Errorf("a form without boxes took them away: %+v", d.Device)
	}
}

// A form that does not fit comes back open, with what was typed.
func TestWiringThatDoesNotFit(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.as(webui.Owner)
	for _, c := range []struct{ device, field, value, says string }{
		{"car", "max_amps", "5", "6 to 80"},
		{"car", "min_amps", "x", "6 to 80"},
		{"car", "capacity_wh", "much", "capacity in kWh"},
		{"car", "phases", "2", "one phase or three"},
		{"washer", "power_w", "9e9", "whole number of watts"},
	} {
		before, _ := h.hub.Device(c.device)
		status, page := b.do("POST", "/devices/"+c.device+"/change", url.Values{"wired": {"1"}, "name": {"Typed"}, c.field: {c.value}}.Encode())
		if status != 400 || !strings.Contains(page, c.says) || !strings.Contains(page, `value="Typed"`) {
			t.Errorf("%s %s: %d", c.field, c.value, status)
		}
		if c.field != "phases" && !strings.Contains(page, `value="`+c.value+`"`) {
			t.Errorf("%s %s: what was typed is gone", c.field, c.value)
		}
		if after, _ := h.hub.Device(c.device); after.Name != before.Name {
			t.Errorf("%s %s: it was kept", c.field, c.value)
		}
	}
}

func TestWiringOverTheAPI(t *testing.T) {
	h := newHouse(t).furnish()
	b := h.token(webui.Owner)
	if status, body := b.do("PATCH", "/api/devices/car", `{"phases":3,"switch_phases":true,"essential":true,"battery":{"capacity_wh":60000}}`); status != 200 || !strings.Contains(body, `"capacity_wh":60000`) {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := b.do("PATCH", "/api/devices/car", `{"battery":{"capacity_wh":0}}`); status != 200 || strings.Contains(body, "capacity_wh") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := b.do("PATCH", "/api/devices/washer", `{"line":4}`); status != 400 || !strings.Contains(body, `"line"`) {
		t.Errorf("%d %s", status, body)
	}
	status, body := b.do("POST", "/api/devices", `{"name":"Store","family":"mqtt","role":"battery","topic":"store","battery":{"capacity_wh":10000,"max_charge_w":3000,"max_discharge_w":2000},"map":{"power":"store/power"}}`)
	if d, ok := h.hub.Device("store"); status != 201 || !ok || d.Battery == nil || d.Battery.MaxCharge != hub.Watt(3000) {
		t.Errorf("%d %s", status, body)
	}
}
