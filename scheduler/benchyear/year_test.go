// Package benchyear runs a house for a year in closed loop: prices are known when they are published, load and sun are forecast from the past, and every
// policy meets the same days. `make bench-year` prints the table; a week of it runs with the other tests.
package benchyear

import (
	"flag"
	"fmt"
	"math"
	"syscall"
	"testing"
	"time"
)

var (
	year    = flag.Bool("year", false, "run the whole year instead of a week")
	only    = flag.String("only", "", "run one policy only")
	forDays = flag.Int("days", 0, "run so many days")
)

// task is a job on its way.
type task struct {
	job
	leftWh float64
	on     int // slots without a break
	done   bool
}

// running is an appliance at work.
type running struct {
	*task
	done int // slots
}

// home is a house under one policy.
type home struct {
	connection
	t       *testing.T
	market  *market
	nature  *nature
	tasks   []task
	running []running

	s        int
	content  float64
	behindWh float64 // what the guard has cut of car and boiler since the last plan
	month    time.Month
	peakW    float64 // of the month so far

	bill     tally
	capacity float64
}

// tally is what a run adds up to.
type tally struct {
	energy, wear     float64 // EUR
	missed           int
	shortWh          float64
	over             int     // minutes above a fuse
	imported, peakKW float64 // kWh, and the sum of the month peaks
	months           int
}

func newHome(t *testing.T, c connection, m *market, w *nature) *home {
	h := &home{connection: c, t: t, market: m, nature: w, content: 3000, s: m.from}
	for _, j := range life(m, len(w.base)) {
		h.tasks = append(h.tasks, task{job: j, leftWh: j.needWh})
	}
	return h
}

func (h *home) freeW() float64 { return max(h.peakW, h.market.floorW) }

// open are the tasks that could be worked on in this slot.
func (h *home) open() []*task {
	var out []*task
	for i := range h.tasks {
		if t := &h.tasks[i]; t.from <= h.s && h.s < t.to && !t.done {
			out = append(out, t)
		}
	}
	return out
}

func (h *home) arrived(kind string) int {
	n := 0
	for i := range h.tasks {
		if h.tasks[i].kind == kind && h.tasks[i].from <= h.s {
			n++
		}
	}
	return n
}

// run lives through the slots up to end.
func (h *home) run(p policy, end int) {
	for ; h.s < end; h.s++ {
		h.turnMonth()
		h.slot(p.decide(h), p.control())
		h.deadlines()
	}
	h.turnMonth()
	h.closeMonth()
	h.bill.energy -= (h.content - 3000) / 1000 * 0.2 // what is left counts
}

func (h *home) turnMonth() {
	if m := timeOf(h.s).In(h.market.zone).Month(); m != h.month {
		h.closeMonth()
		h.month, h.peakW = m, 0
	}
}

func (h *home) closeMonth() {
	if h.month == 0 {
		return
	}
	h.bill.months++
	h.bill.peakKW += h.freeW() / 1000
	h.capacity += h.market.capEUR * h.freeW() / 1000
	h.month = 0
}

// slot lives through a quarter of an hour, minute by minute.
func (h *home) slot(d decision, c control) {
	var car, boiler *task
	for _, t := range h.open() {
		switch {
		case t.kind == "car":
			car = t
		case t.kind == "boiler":
			boiler = t
		case d.starts[t.id]:
			t.done = true
			h.running = append(h.running, running{task: t})
		}
	}
	if boiler == nil || !d.boiler {
		boiler = nil
	}
	taken, charged := 0., false
	for k := range slotMins {
		m := moment{
			minute: k, base: h.nature.minute[h.s*slotMins+k], pv: h.nature.pv[h.s], batteryW: d.batteryW, worth: d.worth, content: h.content,
			pi: h.market.pi[h.s], pe: h.market.pe[h.s], taken: taken, capW: d.capW, keepWh: d.keepWh,
		}
		if car != nil && car.leftWh > 0 {
			m.amps = d.amps
		}
		h.draw(&m, boiler)
		o := c.minute(&h.connection, m)
		if m.boiler > 0 && o.shed {
			m.others[m.boiler-1] -= boilerW
			m.boiler = 0
			h.behindWh += boilerW / 60.
		}
		if m.boiler > 0 {
			boiler.leftWh -= boilerW / 60.
		}
		taken += h.meter(&m, o)
		h.behindWh += float64(m.amps-o.amps) * h.perAmpW / 60
		if o.amps > 0 {
			charged = true
			car.leftWh -= float64(o.amps) * h.perAmpW / 60
		}
	}
	h.peakW = max(h.peakW, taken/slotHours)
	h.after(car, boiler, charged)
}

// draw adds up boiler and appliances of a minute by phase.
func (h *home) draw(m *moment, boiler *task) {
	add := func(phase int, w float64) { m.others[max(phase, 1)-1] += w }
	if boiler != nil && boiler.leftWh > 0 {
		m.boiler = boiler.phase
		add(boiler.phase, boilerW)
	}
	for _, r := range h.running {
		add(r.phase, r.profile[r.done])
	}
}

// meter books a minute and returns the Wh that were taken from the grid.
func (h *home) meter(m *moment, o order) float64 {
	car := float64(o.amps) * h.perAmpW
	g := m.net() + car + o.batteryW
	lo, _ := h.battery.limits(h.content)
	if room := h.room(m); car+o.batteryW > room+1 && (o.amps > 0 || m.boiler > 0 || o.batteryW > lo+1) {
		h.bill.over++ // and something could have been done about it
	}
	if o.batteryW > 0 {
		h.content += o.batteryW / 60 * h.battery.in
	} else {
		h.content += o.batteryW / 60 / h.battery.out
	}
	h.bill.wear += math.Abs(o.batteryW) / 60000 * h.battery.wear
	if g > 0 {
		h.bill.energy += g / 60000 * m.pi
		h.bill.imported += g / 60000
		return g / 60
	}
	h.bill.energy += g / 60000 * m.pe
	return 0
}

// after notes what has run.
func (h *home) after(car, boiler *task, charged bool) {
	for i := range h.tasks {
		if t := &h.tasks[i]; t.on > 0 && t != car && t != boiler {
			t.on = 0
		}
	}
	if car != nil {
		car.on = (car.on + 1) * map[bool]int{true: 1}[charged]
		car.done = car.leftWh <= 0
	}
	if boiler != nil {
		boiler.on++
		boiler.done = boiler.leftWh <= 0
	}
	left := h.running[:0]
	for _, r := range h.running {
		if r.done++; r.done < len(r.profile) {
			left = append(left, r)
		} else if h.s+1 > r.to {
			h.bill.missed++
		}
	}
	h.running = left
}

// deadlines counts what should be done by now and is not.
func (h *home) deadlines() {
	for i := range h.tasks {
		t := &h.tasks[i]
		if t.to != h.s+1 || t.done {
			continue
		}
		if t.kind == "appliance" || t.leftWh > shortWh {
			h.bill.missed++
			h.bill.shortWh += t.leftWh
			h.t.Logf("missed: %s by %.0f Wh at %s", t.id, t.leftWh, timeOf(t.to).In(h.market.zone).Format("Mon 2006-01-02 15:04"))
		}
		t.done = true
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestYear prints the table and holds the hub to its goals.
func TestYear(t *testing.T) {
	n := slotAt(time.Date(2025, 2, 27, 0, 0, 0, 0, time.UTC))
	w := recordedNature(t, n)
	for _, c := range []struct {
		m     *market
		house connection
		goal  float64 // cost above perfect foresight
	}{{dutch(t, n), threePhase, 0.025}, {belgian(t, n), onePhase, 0.085}} {
		t.Run(c.m.name, func(t *testing.T) { compare(t, c.house, c.m, w, c.goal) })
	}
}

func compare(t *testing.T, house connection, m *market, w *nature, goal float64) {
	end := m.from + 7*perDay
	switch {
	case *forDays > 0:
		end = m.from + *forDays*perDay
	case *year:
		end = m.to
	case slow:
		end = m.from + perDay
	}
	t.Logf("%s, %d days from %s", m.name, (end-m.from)/perDay, timeOf(m.from).In(m.zone).Format(time.DateOnly))
	t.Logf("%-28s %9s %8s %9s %7s %8s %7s %6s", "policy", "EUR", "of peak", "mean peak", "kWh", "missed", "minutes", "ms")
	t.Logf("%-28s %9s %8s %9s %7s %8s %7s %6s", "", "", "", "kW", "bought", "", "over", "a plan")
	total := map[string]float64{}
	for _, p := range []policy{uncontrolled{}, shaper{}, cheapestSlots{}, &planner{}, &planner{foresight: true}} {
		if *only != "" && *only != p.name() {
			continue
		}
		h := newHome(t, house, m, w)
		h.run(p, end)
		b := h.bill
		total[p.name()] = b.energy + b.wear + h.capacity
		ms := ""
		if q, ok := p.(*planner); ok {
			ms = fmt.Sprintf("%.1f", float64(q.spent.Microseconds())/1000/float64(max(1, q.plans)))
			if b.missed > 0 || b.over > 0 {
				t.Errorf("%s missed %d deadlines (%.0f Wh) and was above a fuse for %d minutes", p.name(), b.missed, b.shortWh, b.over)
			}
		}
		t.Logf("%-28s %9.2f %8.2f %9.2f %7.0f %8d %7d %6s", p.name(), total[p.name()], h.capacity, b.peakKW/float64(max(1, b.months)), b.imported, b.missed, b.over, ms)
	}
	if total["homehub"] >= total["no control"] && *only == "" {
		t.Errorf("the hub costs %.2f, no control at all %.2f", total["homehub"], total["no control"])
	}
	best := total["perfect foresight"]
	for name, eur := range total {
		t.Logf("%-28s %+.2f %% of perfect foresight", name, 100*(eur/best-1))
	}
	if above := total["homehub"]/best - 1; *only == "" && *year && above > goal {
		t.Errorf("the hub is %.2f %% above perfect foresight, the goal is %.1f", above*100, goal*100)
	}
}
