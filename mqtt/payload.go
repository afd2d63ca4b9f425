package mqtt

import (
	"math"
	"strconv"
	"strings"

	"homehub/hub"
)

// number reads a payload that is a plain decimal number. Devices also send
// "nan" and "inf" when a sensor is missing; those are no numbers here.
func number(payload []byte) (float64, bool) {
	if len(payload) > 32 {
		return 0, false
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(string(payload)), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, false
	}
	return v, true
}

// onSaid reads a relay's own word for its state.
func onSaid(payload []byte) (hub.Report, bool) {
	switch strings.ToLower(string(payload)) {
	case "on", "true", "1":
		return hub.Report{Has: hub.ReportOn, On: true}, true
	case "off", "false", "0":
		return hub.Report{Has: hub.ReportOn}, true
	}
	return hub.Report{}, false
}

// onlineSaid reads a birth message or a Will.
func onlineSaid(payload []byte) (hub.Report, bool) {
	switch strings.ToLower(string(payload)) {
	case "online", "true", "1":
		return hub.Report{Has: hub.ReportOnline, Online: true}, true
	case "offline", "false", "0":
		return hub.Report{Has: hub.ReportOnline}, true
	}
	return hub.Report{}, false
}

// watts reads power in W. More than a house connection can carry is no power.
func watts(payload []byte) (hub.Watt, bool) {
	v, ok := number(payload)
	if !ok || math.Abs(v) > 1e6 {
		return 0, false
	}
	return hub.Watt(math.Round(v)), true
}

// wattHours reads a counter in units of perUnit Wh.
func wattHours(payload []byte, perUnit float64) (hub.WattHour, bool) {
	v, ok := number(payload)
	if v *= perUnit; !ok || v < 0 || v > 1e12 {
		return 0, false
	}
	return hub.WattHour(math.Round(v)), true
}

// celsius reads a temperature in °C.
func celsius(payload []byte) (hub.MilliCelsius, bool) {
	v, ok := quantityTemp.amount(payload, 3)
	return hub.MilliCelsius(v), ok
}

// probe is which of a device's thermometers counts: the first by name of those
// that spoke. Most devices have one.
type probe string

// hear reads what the thermometer of that name says.
func (p *probe) hear(name string, payload []byte) (hub.Report, bool) {
	if *p != "" && string(*p) < name {
		return hub.Report{}, false
	}
	v, ok := celsius(payload)
	if !ok {
		return hub.Report{}, false
	}
	*p = probe(name)
	return hub.Report{Has: hub.ReportTemp, Temp: v}, true
}
