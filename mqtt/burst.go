package mqtt

import (
	"time"

	"homehub/hub"
)

const (
	burstTime  = 200 * time.Millisecond // from the first value of a burst until it is told without the rest; machine time
	burstPause = 100 * time.Millisecond // between two readings; machine time
	valueTime  = time.Minute            // how old a value may be in a reading; house time
)

// burst makes readings of values that come one by one. A meter's values come
// in bursts, so what comes close together belongs together: a burst is told as
// soon as it has every field of the burst before, so that nothing waits for
// nothing, and after burstTime at the latest. It is pure: now is machine time
// and at the time of the house.
type burst struct {
	topics MeterMap

	known  fieldSet // that ever came
	values [len(meterFields)]int64
	at     [len(meterFields)]time.Time // when a value came; never is long ago

	opened   time.Time // machine time of the burst's first value
	seen     fieldSet  // in this burst
	usual    fieldSet  // in the one before
	untold   bool      // values came that no reading has told
	since    time.Time // machine time of the first of them
	complete bool      // they need not wait for more
	received time.Time // of the last value of all
	told     time.Time // machine time of the last reading
}

// take takes in the values of one message. If one of them came in this burst
// already a new burst has begun; take then returns the reading of the old one
// if that was not told and may be.
func (b *burst) take(now, at time.Time, s said) (r hub.Reading, ok bool) {
	if s.fields == 0 {
		return r, false
	}
	if b.seen&s.fields != 0 || now.Sub(b.opened) >= burstTime {
		if b.untold && now.Sub(b.told) >= burstPause {
			r, ok = b.tell(now)
		}
		b.usual, b.seen, b.opened, b.complete = b.seen, 0, now, false
	}
	had := b.seen.includes(b.usual)
	for f := range field(len(meterFields)) {
		if s.fields.has(f) {
			b.values[f], b.at[f] = s.values[f], at
		}
	}
	b.known |= s.fields
	b.seen |= s.fields
	b.received = at
	if s.fields != setOf(fieldTime) && !b.untold { // a time alone is no news
		b.untold, b.since = true, now
	}
	if !had && b.seen.includes(b.usual) {
		b.complete = true
	}
	return r, ok
}

// due is the machine time at which to tell, false while there is nothing.
func (b *burst) due() (time.Time, bool) {
	due, earliest := b.since.Add(burstTime), b.told.Add(burstPause)
	if b.complete || due.Before(earliest) {
		due = earliest
	}
	return due, b.untold
}

// tell is the reading of what is known, false if that is no value at all.
func (b *burst) tell(now time.Time) (hub.Reading, bool) {
	b.untold, b.complete = false, false
	r := hub.Reading{At: b.received, Received: b.received}
	if b.seen.has(fieldTime) { // one of an earlier burst says nothing of this one
		r.At = time.UnixMilli(b.values[fieldTime]).UTC()
	}
	b.registers(&r)
	b.phases(&r)
	b.power(&r)
	if r.Has == 0 {
		return r, false
	}
	if b.seen.has(fieldTime) {
		r.Has |= hub.HasMeterClock
	}
	b.told = now
	return r, true
}

// fresh says whether all of the fields came lately, and at least one.
func (b *burst) fresh(fields fieldSet) bool {
	if fields == 0 {
		return false
	}
	for f := range field(len(meterFields)) {
		if fields.has(f) && b.received.Sub(b.at[f]) > valueTime {
			return false
		}
	}
	return true
}

func (b *burst) registers(r *hub.Reading) {
	for _, v := range []struct {
		field field
		has   hub.Has
		to    *hub.WattHour
	}{
		{fieldImportT1, hub.HasImportT1, &r.ImportT1},
		{fieldImportT2, hub.HasImportT2, &r.ImportT2},
		{fieldExportT1, hub.HasExportT1, &r.ExportT1},
		{fieldExportT2, hub.HasExportT2, &r.ExportT2},
	} {
		if b.fresh(setOf(v.field)) {
			*v.to = hub.WattHour(b.values[v.field])
			r.Has |= v.has
		}
	}
	if b.fresh(setOf(fieldTariff)) {
		r.Tariff = uint8(b.values[fieldTariff])
		r.Has |= hub.HasTariff
	}
	if b.fresh(setOf(fieldGas)) {
		r.Gas = b.values[fieldGas]
		r.Has |= hub.HasGas
	}
}

// phases fills in what is known of every phase.
func (b *burst) phases(r *hub.Reading) {
	r.PhaseCount = uint8(b.topics.phases)
	imports, exports := b.topics.phaseSet(phaseImport), b.topics.phaseSet(phaseExport)&b.topics.fields
	power := b.fresh(imports | exports)
	current := b.fresh(b.topics.phaseSet(phaseCurrent))
	voltage := b.fresh(b.topics.phaseSet(phaseVoltage))
	for i := range b.topics.phases {
		p := &r.Phases[i]
		value := func(v int) int64 { return b.values[phaseField(i, v)] }
		if power {
			p.Import, p.Export = split(value(phaseImport), value(phaseExport))
			r.Has |= hub.HasPhasePower
		}
		if current {
			p.Current = hub.Milliampere(value(phaseCurrent))
			r.Has |= hub.HasCurrent
		}
		if voltage {
			p.Voltage = hub.Decivolt(value(phaseVoltage))
			r.Has |= hub.HasVoltage
		}
	}
}

// power fills in the house's power. Export has a topic of its own or is 0: half
// of the two would be a lie.
func (b *burst) power(r *hub.Reading) {
	fields := b.topics.fields
	switch {
	case fields.has(fieldNet):
		if !b.fresh(setOf(fieldNet)) {
			return
		}
		r.Import, r.Export = split(b.values[fieldNet], 0)
	case fields.has(fieldImport):
		if !b.fresh(fields & setOf(fieldImport, fieldExport)) {
			return
		}
		r.Import, r.Export = split(b.values[fieldImport], b.values[fieldExport])
	case r.Has&hub.HasPhasePower != 0:
		sum := int64(0)
		for _, p := range r.Phases {
			sum += int64(p.Import - p.Export)
		}
		r.Import, r.Export = split(sum, 0)
	default:
		return
	}
	r.Has |= hub.HasImport
}

// split turns a negative import into export.
func split(imp, exp int64) (hub.Watt, hub.Watt) {
	if imp < 0 {
		return 0, hub.Watt(exp - imp)
	}
	return hub.Watt(imp), hub.Watt(exp)
}
