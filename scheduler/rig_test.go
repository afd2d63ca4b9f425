package scheduler

import (
	"testing"
	"time"

	"homehub/hub"
)

// rig is a house at its meter, second by second: what the desk commands shows
// at the meter some seconds later, and devices report every ten.
type rig struct {
	t      *testing.T
	desk   desk
	s      hub.Snapshot
	now    time.Time
	lag    int             // seconds until a command shows
	deaf   map[string]bool // devices that do not follow
	due    map[string][]hub.Command
	has    map[string]hub.Command // what each device does
	base   [3]hub.Watt            // what the house takes otherwise; negative: gives
	really map[string]hub.Watt    // what plugs draw of which people said something else, or nothing
	mute   bool                   // the meter is silent

	quarter  float64 // W·s of the running quarter
	peak     hub.Watt
	quarters []hub.Watt
	sent     []hub.Command
}

func newRig(t *testing.T, c Connection, devices ...hub.Device) *rig {
	r := &rig{
		t: t, now: time.Date(2026, 1, 14, 17, 0, 0, 0, time.UTC), lag: 3,
		deaf: map[string]bool{}, due: map[string][]hub.Command{}, has: map[string]hub.Command{},
	}
	r.desk.guard = newGuard(c, time.UTC, hub.Clock{})
	for _, d := range devices {
		if d.Role == hub.RoleCharger {
			d.MinAmps, d.MaxAmps, d.Phases = 6, max(d.MaxAmps, 16), max(d.Phases, 1)
		}
		s := hub.DeviceState{Device: d, Online: true, Has: hub.ReportOn | hub.ReportPower, Plugged: true}
		r.s.Devices = append(r.s.Devices, s)
	}
	return r
}

// plan lets the devices run with the amps given (0: a plug) for hours.
func (r *rig) plan(runs map[string]int) {
	p := &hub.Plan{At: r.now}
	for id, amps := range runs {
		p.Devices = append(p.Devices, hub.Planned{
			Device: id, Deadline: r.now.Add(12 * time.Hour), Need: 1000, Reason: "planned",
			Runs: []hub.Run{{Device: id, Start: r.now, End: r.now.Add(24 * time.Hour), Amps: amps}},
		})
	}
	r.s.Plan = p
}

func (r *rig) device(id string) *hub.DeviceState {
	for i := range r.s.Devices {
		if r.s.Devices[i].ID == id {
			return &r.s.Devices[i]
		}
	}
	r.t.Fatalf("no device %s", id)
	return nil
}

// draws is what a device draws on each phase, by its real line.
func (r *rig) draws(d *hub.DeviceState) (w [3]hub.Watt) {
	c := r.has[d.ID]
	if !c.On {
		return w
	}
	l := commandedLoad(d, c)
	if really, ok := r.really[d.ID]; ok {
		l.watts = int(really)
	}
	if d.Role == hub.RoleBattery || d.Role == hub.RoleCharger && (c.Phases == 3 || c.Phases == 0 && d.Phases == 3) {
		for i := range w {
			w[i] = hub.Watt(l.watts / 3)
		}
		return w
	}
	w[max(0, d.Line-1)] = hub.Watt(l.watts)
	return w
}

// second lets one second pass and shows it to the desk.
func (r *rig) second() {
	r.now = r.now.Add(time.Second)
	net := r.base
	for i := range r.s.Devices {
		d := &r.s.Devices[i]
		if q := r.due[d.ID]; len(q) > 0 && !q[0].At.After(r.now) {
			r.has[d.ID], r.due[d.ID] = q[0], q[1:]
		}
		w := r.draws(d)
		for p := range w {
			net[p] += w[p]
		}
		if r.now.Second()%10 == 5 {
			d.Watts, d.On, d.Seen = w[0]+w[1]+w[2], r.has[d.ID].On, r.now
		}
	}
	r.meter(net)
	r.s.At = r.now
	commands, _ := r.desk.decide(r.now, &r.s)
	for _, c := range commands {
		d := r.device(c.Device)
		r.desk.sent(r.now, d, c)
		c.At = r.now
		if d.Commanded.Same(c) {
			c.At = d.Commanded.At
		}
		d.Commanded = c
		r.sent = append(r.sent, c)
		if !r.deaf[c.Device] {
			c.At = r.now.Add(time.Duration(r.lag) * time.Second)
			r.due[c.Device] = append(r.due[c.Device], c)
		}
	}
}

// meter makes the telegram of a second.
func (r *rig) meter(net [3]hub.Watt) {
	sum := net[0] + net[1] + net[2]
	if r.now.Truncate(hub.SlotLength).Equal(r.now) {
		mean := hub.Watt(r.quarter / 900)
		r.quarters, r.peak, r.quarter = append(r.quarters, mean), max(r.peak, mean), 0
	}
	r.quarter += float64(max(0, sum))
	if r.mute {
		if !r.s.Stale && r.now.Sub(r.s.Reading.Received) > 10*time.Second {
			r.s.Stale, r.s.StaleSince = true, r.s.Reading.Received
		}
		return
	}
	r.s.Stale, r.s.HasReading = false, true
	reading := hub.Reading{
		At: r.now, Received: r.now, PhaseCount: 3, Import: max(0, sum), Export: max(0, -sum),
		Has:     hub.HasImport | hub.HasPhasePower | hub.HasCurrent | hub.HasMeterClock | hub.HasQuarter | hub.HasMonthPeak,
		Quarter: hub.Watt(r.quarter / 900), MonthPeak: r.peak,
	}
	for p, w := range net {
		reading.Phases[p] = hub.Phase{Import: max(0, w), Export: max(0, -w), Current: hub.Milliampere((max(w, -w)*1000/230 + 500) / 1000 * 1000)}
	}
	r.s.Reading = reading
}

func (r *rig) seconds(n int) {
	for range n {
		r.second()
	}
}

// worstAmps is the current of the fullest phase now, in mA.
func (r *rig) worstAmps() int {
	worst := 0
	for _, p := range r.s.Reading.Phases {
		worst = max(worst, int(p.Import)*1000/230)
	}
	return worst
}
