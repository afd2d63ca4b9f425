package dsmr

import (
	"time"

	"homehub/hub"
)

// gasGrace is how much older than the newest one a gas meter's value may be
// and still count: of two live meters the first one then wins every time, and
// a meter that was replaced and fell silent drops out after a day.
const gasGrace = 24 * 3600

// facts is what a Reading is made of while the objects are walked through.
type facts struct {
	r           hub.Reading
	phases      uint8
	totals      [2]hub.WattHour // 1.8.0 and 2.8.0
	hasTotal    [2]bool
	further     [2]hub.WattHour // tariffs 3 and 4
	hasImport   bool
	hasExport   bool
	gasType     uint32    // bit n: channel n is a gas meter
	gasTypeSeen uint32    // bit n: channel n has a type
	values      [8]uint16 // objects that may be the value of an M-Bus device
	nValues     int
}

// Reading is what the telegram says of the house. received is when its last
// byte came in; it is also the reading's time where the meter has no clock, or
// one that was never set.
func (t *Telegram) Reading(received time.Time) hub.Reading {
	f := facts{r: hub.Reading{At: received, Received: received}}
	for i := range t.Objects() {
		o := &t.objects[i]
		if o.n == 0 {
			continue
		}
		if o.Code>>40 == 0 && o.Code.channel() != 0 {
			f.collectBus(t, o, i)
			continue
		}
		t.collect(&f, o)
	}
	if f.nValues > 0 {
		t.collectGas(&f)
	}
	f.finish()
	return f.r
}

// collect takes in one object of the electricity meter.
func (t *Telegram) collect(f *facts, o *Object) {
	r := &f.r
	switch o.Code.short() {
	case codeClock:
		if s, ok := parseStamp(t.Group(*o, 0)); ok && s.plausible() {
			r.At = t.zone.instant(s)
			r.Has |= hub.HasMeterClock
		}
	case codeTariff:
		if d, ok := parseDecimal(t.Group(*o, 0)); ok && d.Scale == 0 && d.Digits >= 0 && d.Digits <= 255 {
			r.Tariff = uint8(d.Digits)
			r.Has |= hub.HasTariff
		}
	case codeImport:
		if v, ok := t.watts(o); ok {
			r.Import, f.hasImport = hub.Watt(v), true
		}
	case codeExport:
		if v, ok := t.watts(o); ok {
			r.Export, f.hasExport = hub.Watt(v), true
		}
	case codeNet:
		if v, ok := t.watts(o); ok && !f.hasImport {
			r.Import, f.hasImport = hub.Watt(v), true
		}
	case codeImportT1:
		t.register(o, &r.ImportT1, &r.Has, hub.HasImportT1)
	case codeImportT2:
		t.register(o, &r.ImportT2, &r.Has, hub.HasImportT2)
	case codeExportT1:
		t.register(o, &r.ExportT1, &r.Has, hub.HasExportT1)
	case codeExportT2:
		t.register(o, &r.ExportT2, &r.Has, hub.HasExportT2)
	case codeImportTotal:
		f.totals[0], f.hasTotal[0] = t.energy(o)
	case codeExportTotal:
		f.totals[1], f.hasTotal[1] = t.energy(o)
	case codeImportT3, codeImportT4:
		v, _ := t.energy(o)
		f.further[0] += v
	case codeExportT3, codeExportT4:
		v, _ := t.energy(o)
		f.further[1] += v
	case codeQuarter:
		if v, ok := t.watts(o); ok {
			r.Quarter = hub.Watt(v)
			r.Has |= hub.HasQuarter
		}
	case codeMonthPeak:
		t.collectPeak(r, o)
	default:
		t.collectPhase(f, o)
	}
}

func (t *Telegram) collectPeak(r *hub.Reading, o *Object) {
	if o.n != 2 {
		return
	}
	v, ok := t.wattsAt(o, 1)
	if !ok {
		return
	}
	r.MonthPeak = hub.Watt(v)
	r.Has |= hub.HasMonthPeak
	if s, ok := parseStamp(t.Group(*o, 0)); ok && s.plausible() {
		r.MonthPeakAt = t.zone.instant(s)
	}
}

// collectPhase takes in a power, voltage or current of one phase. Their codes
// are 21 to 32 for the first phase and 20 more for each further one.
func (t *Telegram) collectPhase(f *facts, o *Object) {
	code := o.Code.short()
	c := uint64(code >> 24 & 0xFF)
	if code&^(0xFF<<24) != electricity|7<<16 || c < 21 || c > 72 {
		return
	}
	n := (c - 21) / 20
	p, r := &f.r.Phases[n], &f.r
	var has hub.Has
	switch c - n*20 {
	case 21:
		if v, ok := t.watts(o); ok {
			if has = hub.HasPhasePower; v < 0 {
				p.Export = hub.Watt(-v) // a meter with one signed power per phase
			} else {
				p.Import = hub.Watt(v)
			}
		}
	case 22:
		if v, ok := t.watts(o); ok {
			p.Export, has = hub.Watt(v), hub.HasPhasePower
		}
	case 31:
		if v, ok := t.scaled(o, 'A', 3); ok {
			p.Current, has = hub.Milliampere(v), hub.HasCurrent
		}
	case 32:
		if v, ok := t.scaled(o, 'V', 1); ok {
			p.Voltage, has = hub.Decivolt(v), hub.HasVoltage
		}
	}
	if has != 0 {
		r.Has |= has
		f.phases = max(f.phases, uint8(n)+1)
	}
}

// collectBus notes which M-Bus channels are gas meters, and which objects hold
// values.
func (f *facts) collectBus(t *Telegram, o *Object, i int) {
	if o.Code>>24&0xFF != 24 || o.Code.channel() > 31 {
		return
	}
	if o.Code.onChannel() != busType {
		if o.n > 1 && f.nValues < len(f.values) {
			f.values[f.nValues] = uint16(i)
			f.nValues++
		}
		return
	}
	bit := uint32(1) << o.Code.channel()
	f.gasTypeSeen |= bit
	if d, ok := parseDecimal(t.Group(*o, 0)); ok && d.Scale == 0 && d.Digits == gasMeter {
		f.gasType |= bit
	}
}

// collectGas chooses among the gas meters: the first of those whose value is
// not much older than the newest.
func (t *Telegram) collectGas(f *facts) {
	var best, v busValue
	for _, i := range f.values[:f.nValues] {
		if !t.busValue(&t.objects[i], &v) || !v.isGas(f) {
			continue
		}
		age := best.stamp.Local - v.stamp.Local
		if best.channel == 0 || age < -gasGrace || age <= gasGrace && v.channel < best.channel {
			best = v
		}
	}
	if best.channel == 0 {
		return
	}
	v = best
	f.r.Gas = v.value.Round(3)
	f.r.Has |= hub.HasGas
	if v.stamp.plausible() {
		f.r.GasAt = t.zone.instant(v.stamp)
	}
}

// isGas says whether v is the value of a gas meter that was ever read. A slot
// that was never read has no time, or neither a time that can be nor a unit.
func (v *busValue) isGas(f *facts) bool {
	bit := uint32(1) << v.channel
	if f.gasTypeSeen&bit != 0 && f.gasType&bit == 0 {
		return false
	}
	if f.gasTypeSeen&bit == 0 && v.kind != busKindGas {
		return false
	}
	return v.hasStamp && (len(v.unit) > 0 || v.stamp.plausible()) && (len(v.unit) == 0 || v.unit[0] == 'm')
}

// finish settles what depends on several objects.
func (f *facts) finish() {
	r := &f.r
	r.ImportT1 += f.further[0]
	r.ExportT1 += f.further[1]
	if f.hasTotal[0] && r.Has&(hub.HasImportT1|hub.HasImportT2) == 0 {
		r.ImportT1 = f.totals[0]
		r.Has |= hub.HasImportT1
	}
	if f.hasTotal[1] && r.Has&(hub.HasExportT1|hub.HasExportT2) == 0 {
		r.ExportT1 = f.totals[1]
		r.Has |= hub.HasExportT1
	}
	if r.Has&hub.HasPhasePower != 0 && !f.hasImport && !f.hasExport {
		for _, p := range r.Phases {
			r.Import += p.Import - p.Export
		}
		f.hasImport = true
	}
	if r.Import < 0 { // a meter with one signed power
		if !f.hasExport {
			r.Export = -r.Import
		}
		r.Import = 0
	}
	if f.hasImport || f.hasExport {
		r.Has |= hub.HasImport
	}
	if f.phases > 0 {
		r.PhaseCount = 1
		if f.phases > 1 {
			r.PhaseCount = 3
		}
	}
}

func (t *Telegram) register(o *Object, to *hub.WattHour, has *hub.Has, bit hub.Has) {
	if v, ok := t.energy(o); ok {
		*to = v
		*has |= bit
	}
}

// energy is a register in Wh.
func (t *Telegram) energy(o *Object) (hub.WattHour, bool) {
	b := t.Group(*o, 0)
	d, n := scanDecimal(b)
	switch {
	case n == 0 || d.Digits < 0:
	case string(b[n:]) == "*kWh":
		return hub.WattHour(d.Round(3)), true
	case string(b[n:]) == "*Wh":
		return hub.WattHour(d.Round(0)), true
	}
	return 0, false
}

// watts is the power in the first group, in W.
func (t *Telegram) watts(o *Object) (int64, bool) { return t.wattsAt(o, 0) }

// wattsAt is the power in group i, in W.
func (t *Telegram) wattsAt(o *Object, i int) (int64, bool) {
	b := t.Group(*o, i)
	d, n := scanDecimal(b)
	v := int64(0)
	switch {
	case n == 0:
		return 0, false
	case string(b[n:]) == "*kW":
		v = d.Round(3)
	case string(b[n:]) == "*W":
		v = d.Round(0)
	default:
		return 0, false
	}
	return v, v <= 1<<31-1 && v >= -1<<31
}

// scaled is the value of the first group times 10^shift, if it is in the unit.
func (t *Telegram) scaled(o *Object, unit byte, shift int) (int64, bool) {
	b := t.Group(*o, 0)
	d, n := scanDecimal(b)
	if n == 0 || len(b) != n+2 || b[n] != '*' || b[n+1] != unit {
		return 0, false
	}
	v := d.Round(shift)
	return v, v <= 1<<31-1 && v >= -1<<31
}
