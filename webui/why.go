package webui

import (
	"time"

	"homehub/hub"
)

// why says in the page's language why the plan lets a device run when it
// does. A reason that is told in words only is told in English.
func (l locale) why(d hub.Planned, now time.Time) string {
	w := d.Why
	at := func(t time.Time) string { return l.near(t.In(now.Location()), now) }
	from, to := at(w.From), clock(w.To.In(now.Location()))
	before := l.T("why.end")
	if !w.Deadline.IsZero() {
		before = at(w.Deadline)
	}
	switch w.Kind {
	case hub.WhyCheapest:
		return l.T("why.cheapest", from, to, l.length(int(w.Takes/time.Minute)), before)
	case hub.WhyTimes:
		return l.T("why.times", l.kwh(float64(w.Energy)/1000), from, to, before)
	case hub.WhyAtOnce:
		return l.T("why.atonce", from, to)
	case hub.WhyLate:
		return l.T("why.late", from, to, before, l.length(int(w.Late/time.Minute)))
	case hub.WhyShort:
		return l.T("why.short", l.kwh(float64(w.Short)/1000), before)
	case hub.WhyNoRoom:
		return l.T("why.noroom", before)
	case hub.WhyRunning:
		return l.T("why.running", at(w.To))
	case hub.WhyBegun:
		return l.T("why.begun", at(w.To))
	case hub.WhySurplus:
		return l.T("why.surplus", before)
	case hub.WhyDeaf:
		return l.T("why.deaf", at(w.To))
	case hub.WhyNothing:
		return l.T("why.nothing")
	case hub.WhyNoCar:
		return l.T("why.nocar")
	case hub.WhyWarm:
		return l.T("why.warm", l.length(int(w.Takes/time.Minute)), l.number(w.Coldest, 1))
	case hub.WhyBlind:
		if w.From.IsZero() {
			return l.T("why.blind.never")
		}
		return l.T("why.blind", at(w.From))
	case hub.WhyPlain:
		return l.T("why.thermostat", l.number(w.Wanted, 0), l.number(w.Final, 0))
	case hub.WhyTooCold:
		return l.T("why.cold", l.length(int(w.Takes/time.Minute)), l.number(w.Coldest, 1), l.number(w.Wanted, 0))
	}
	return d.Reason
}

// instead says what beginning at the first moment would cost more, "" where
// that is nothing to speak of.
func (l locale) instead(w hub.Why, now time.Time) string {
	begin := l.T("why.now")
	if !w.Earliest.IsZero() {
		begin = l.T("why.at", l.near(w.Earliest.In(now.Location()), now))
	}
	switch {
	case w.TooMuch:
		return l.T("why.toomuch", begin)
	case w.Extra < 5_000: // half a cent
		return ""
	}
	return l.T("why.extra", begin, l.euro(w.Extra))
}
