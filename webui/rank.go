package webui

import (
	"context"
	"math"
	"slices"
	"time"

	"homehub/hub"
)

// maxCostDays is how long a span may be for the cost of its devices, which is
// added up hour by hour.
const maxCostDays = 3660

// ranked is what one device used in a span.
type ranked struct {
	Name, Energy, Cost string
	Width              int // of its bar, in % of the longest
}

// usage is a device's energy in Wh and its cost in micro-euro; NaN is unknown.
type usage struct {
	name     string
	wh, euro float64
}

// rank lists who used how much in a span, the most first. What no device
// measured is the last line.
func (s *Server) rank(ctx context.Context, l locale, sp span, e energies) []ranked {
	hours := newSpan(viewAny, CalendarNone, sp.start, sp.start)
	if s.cfg.Prices != nil && sp.days() <= maxCostDays {
		hours = newSpan(viewAny, CalendarNone, sp.start, sp.end)
	}
	byHour := s.energy(ctx, hours)
	prices := s.hourPrices(hours, byHour)
	var list []usage
	rest := usage{name: l.T("rank.rest"), wh: e.all[3], euro: cost(prices, byHour.used)}
	for _, d := range s.cfg.Live.Snapshot().Devices {
		if d.Role != hub.RolePlug && d.Role != hub.RoleCharger && d.Role != hub.RoleMeter {
			continue
		}
		u := usage{name: d.Name, wh: total(s.rows(ctx, sp, hub.DeviceEnergyFeed(d.ID)))}
		if math.IsNaN(u.wh) {
			// By the hour: what was measured for a moment is not taken for a month.
			u.wh = total(s.powerRows(ctx, newSpan(viewAny, CalendarNone, sp.start, sp.end), hub.DevicePowerFeed(d.ID)))
		}
		if math.IsNaN(u.wh) {
			continue
		}
		u.euro = cost(prices, s.powerRows(ctx, hours, hub.DevicePowerFeed(d.ID)))
		rest.wh, rest.euro = math.Max(0, rest.wh-u.wh), math.Max(0, rest.euro-zeroed(u.euro))
		list = append(list, u)
	}
	if len(list) == 0 {
		return nil
	}
	slices.SortStableFunc(list, func(a, b usage) int { return int(math.Copysign(1, b.wh-a.wh)) })
	if !math.IsNaN(rest.wh) {
		list = append(list, rest)
	}
	return l.ranked(list)
}

func (l locale) ranked(list []usage) []ranked {
	most := 1.0
	for _, u := range list {
		most = math.Max(most, u.wh)
	}
	var out []ranked
	for _, u := range list {
		r := ranked{Name: u.name, Energy: l.kwh(u.wh/1000) + " kWh", Width: int(math.Round(u.wh / most * 100))}
		if !math.IsNaN(u.euro) {
			r.Cost = l.euro(hub.MicroEuro(u.euro))
		}
		out = append(out, r)
	}
	return out
}

// hourPrices is what a kWh cost in each hour, in micro-euro: the part from the
// grid at its price, and the sun's at what it would have earned. NaN is
// unknown.
func (s *Server) hourPrices(hours span, e energies) []float64 {
	if len(hours.rows) == 0 {
		return nil
	}
	out := nans(len(hours.rows))
	perHour := int(time.Hour / hub.SlotLength)
	slots := s.cfg.Prices(hours.start, len(hours.rows)*perHour)
	for i := range out {
		var imp, exp float64
		known := 0
		for _, slot := range slots[min(len(slots), i*perHour):min(len(slots), (i+1)*perHour)] {
			if slot.Known {
				imp, exp, known = imp+float64(slot.Import), exp+float64(slot.Export), known+1
			}
		}
		if known == 0 {
			continue
		}
		grid := 1.0
		if e.used[i] > 0 && !math.IsNaN(e.used[i]) {
			grid = math.Min(1, e.imports[i]/e.used[i])
		}
		out[i] = (grid*imp + (1-grid)*exp) / float64(known)
	}
	return out
}

// cost is what energy by the hour cost, in micro-euro.
func cost(prices, wh []float64) float64 {
	sum, some := 0.0, false
	for i, p := range prices {
		if i < len(wh) && !math.IsNaN(wh[i]) && !math.IsNaN(p) {
			sum, some = sum+wh[i]/1000*p, true
		}
	}
	if !some {
		return math.NaN()
	}
	return sum
}
