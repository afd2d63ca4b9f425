package webui

import (
	"net/url"
	"strconv"
	"strings"

	"homehub/hub"
)

// deviceForm is what people decide about a device, as it stands in the fields
// of its form.
type deviceForm struct {
	Open                           bool // it was sent, and something in it is wrong
	Role                           hub.Role
	Name, Room, Topic, Power, Flow string
	MinAmps, MaxAmps               string
	Capacity, Reserve              string // kWh, %
	MaxCharge, MaxDischarge        string // W
	Phases, Lines                  []choice
	SwitchPhases, Essential        bool
	Heats                          bool // a heat pump: it has a flow temperature
}

// deviceForm shows a device, or what somebody typed about it.
func (l locale) deviceForm(d hub.Device, typed url.Values) deviceForm {
	f := deviceForm{
		Role: d.Role, Name: d.Name, Room: d.Room, Topic: d.Topic, Power: unlessZero(int(d.Power)), Heats: d.Family == hub.FamilyHPMon,
		Flow: unlessZero(d.FlowC), MinAmps: unlessZero(d.MinAmps), MaxAmps: unlessZero(d.MaxAmps), SwitchPhases: d.SwitchPhases, Essential: d.Essential,
	}
	phases, line := strconv.Itoa(max(1, d.Phases)), strconv.Itoa(d.Line)
	if b := d.Battery; b != nil {
		f.Capacity, f.Reserve = l.typed(float64(b.Capacity)/1000), unlessZero(b.Reserve)
		f.MaxCharge, f.MaxDischarge = unlessZero(int(b.MaxCharge)), unlessZero(int(b.MaxDischarge))
	}
	if typed != nil {
		f.Open = true
		for name, to := range map[string]*string{
			"name": &f.Name, "room": &f.Room, "topic": &f.Topic, "power_w": &f.Power, "flow_c": &f.Flow, "min_amps": &f.MinAmps, "max_amps": &f.MaxAmps,
			"capacity_wh": &f.Capacity, "reserve_percent": &f.Reserve, "max_charge_w": &f.MaxCharge, "max_discharge_w": &f.MaxDischarge,
			"phases": &phases, "line": &line,
		} {
			if typed.Has(name) {
				*to = typed.Get(name)
			}
		}
		f.SwitchPhases, f.Essential = typed.Has("switch_phases"), typed.Has("essential")
	}
	for _, n := range []string{"1", "3"} {
		f.Phases = append(f.Phases, choice{n, n, n == phases})
	}
	for _, n := range []string{"0", "1", "2", "3"} {
		text := "L" + n
		if n == "0" {
			text = l.T("line.unknown")
		}
		f.Lines = append(f.Lines, choice{n, text, n == line})
	}
	return f
}

func unlessZero(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// typed is a number as it is typed, with as many decimals as it has.
func (l locale) typed(v float64) string {
	return strings.Replace(strconv.FormatFloat(v, 'f', -1, 64), ".", l.T("sign.decimal"), 1)
}

// readDevice takes over what a form says of a device: what has no field stays.
func readDevice(f url.Values, d *hub.Device) error {
	for name, to := range map[string]*string{"name": &d.Name, "room": &d.Room, "topic": &d.Topic} {
		if f.Has(name) {
			*to = strings.TrimSpace(f.Get(name))
		}
	}
	for name, to := range map[string]*int{"min_amps": &d.MinAmps, "max_amps": &d.MaxAmps, "phases": &d.Phases, "line": &d.Line, "flow_c": &d.FlowC} {
		if err := readWhole(f, name, to); err != nil {
			return err
		}
	}
	power := int(d.Power)
	if err := readWhole(f, "power_w", &power); err != nil {
		return err
	}
	d.Power = hub.Watt(power)
	if f.Has("wired") { // a box that is not ticked sends nothing
		d.Essential = f.Has("essential")
		d.SwitchPhases = f.Has("switch_phases") && d.Phases == 3
	}
	return readBattery(f, d)
}

// readBattery takes over what a form says of a device's battery: without a
// capacity there is none. What snapshots share is never written to.
func readBattery(f url.Values, d *hub.Device) error {
	if !f.Has("capacity_wh") {
		return nil
	}
	text := strings.TrimSpace(f.Get("capacity_wh"))
	if text == "" {
		d.Battery = nil
		return nil
	}
	capacity, ok := hub.ParseDecimal(text, 3)
	if !ok {
		return hub.FieldErrorf("capacity_wh", "%q is not a number of kWh", text)
	}
	b := hub.Battery{}
	if d.Battery != nil {
		b = *d.Battery
	}
	b.Capacity = hub.WattHour(capacity)
	in, out := int(b.MaxCharge), int(b.MaxDischarge)
	for name, to := range map[string]*int{"reserve_percent": &b.Reserve, "max_charge_w": &in, "max_discharge_w": &out} {
		if err := readWhole(f, name, to); err != nil {
			return err
		}
	}
	b.MaxCharge, b.MaxDischarge = hub.Watt(in), hub.Watt(out)
	d.Battery = &b
	return nil
}

// readWhole reads a field with a whole number; an empty one is 0.
func readWhole(f url.Values, name string, to *int) error {
	if !f.Has(name) {
		return nil
	}
	text := strings.TrimSpace(f.Get(name))
	if text == "" {
		*to = 0
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return hub.FieldErrorf(name, "%q is not a whole number", text)
	}
	*to = int(n)
	return nil
}
