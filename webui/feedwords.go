package webui

import (
	"strings"

	"homehub/hub"
)

// feedWords are the house's own feeds in people's words: a text, and which
// tariff it is of.
var feedWords = map[string]struct{ key, tariff string }{
	hub.FeedImport: {"col.import", ""}, hub.FeedExport: {"col.export", ""}, hub.FeedSolar: {"sun", ""}, hub.FeedHouse: {"sum.used", ""},
	hub.FeedImportT1: {"feed.taken", "1"}, hub.FeedImportT2: {"feed.taken", "2"},
	hub.FeedExportT1: {"feed.given", "1"}, hub.FeedExportT2: {"feed.given", "2"}, hub.FeedGas: {"feed.gas", ""},
}

// phaseWords are what is measured of each phase: l1_ma, l2_ma ...
var phaseWords = map[string]string{"import_w": "col.import", "export_w": "col.export", "ma": "feed.current", "dv": "feed.voltage"}

// feedTitle is what a feed measures, in the page's language. A device's feeds
// are told by its name, and what is of no device any more by its own.
func (l locale) feedTitle(f Feed, devices []hub.DeviceState) string {
	if w, ok := feedWords[f.Name]; ok {
		return l.T(w.key, w.tariff)
	}
	for _, d := range devices {
		switch f.Name {
		case hub.DevicePowerFeed(d.ID):
			return l.T("feed.power", d.Name)
		case hub.DeviceEnergyFeed(d.ID):
			return l.T("feed.energy", d.Name)
		case hub.DeviceTempFeed(d.ID):
			return l.T("feed.temp", d.Name)
		case hub.DeviceDutyFeed(d.ID):
			return l.T("feed.duty", d.Name)
		}
	}
	if phase, what, _ := strings.Cut(f.Name, "_"); len(phase) == 2 && phase[0] == 'l' && phaseWords[what] != "" {
		return l.T(phaseWords[what]) + " L" + phase[1:]
	}
	if f.Title != "" {
		return f.Title
	}
	return f.Name
}

// peopleUnits are the units of feeds, which are whole numbers, and those that
// people know: how many of the one make one of the other, and the digits that
// are left of it.
var peopleUnits = map[string]struct {
	unit   string
	by     float64
	digits int
}{
	"Wh": {"kWh", 1000, 1}, "mA": {"A", 1000, 1}, "dV": {"V", 10, 1}, "dm³": {"m³", 1000, 1}, "°C": {"°C", 1, 1},
}

// feedValue is a feed's value with a unit that people know.
func (l locale) feedValue(v float64, unit string) string {
	if u, ok := peopleUnits[unit]; ok {
		return l.number(v/u.by, u.digits) + " " + u.unit
	}
	return l.number(v, 0) + " " + unit
}
