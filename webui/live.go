package webui

import (
	"net/http"
	"time"

	"homehub/hub"
)

// liveJSON is GET /api/live and the data of a live event. What the meter did
// not say is null: 0 W is a value.
type liveJSON struct {
	Seq        uint64          `json:"seq"`
	DevicesSeq uint64          `json:"devices_seq"` // rises when a device changes
	PlanSeq    uint64          `json:"plan_seq"`    // rises with every plan
	Now        time.Time       `json:"now"`         // when this was written, by the hub's clock
	At         *time.Time      `json:"at"`          // of the reading, by the meter's clock
	AgeS       *float64        `json:"age_s"`       // seconds since the reading came in
	Stale      bool            `json:"stale"`       // there is no reading, or they stopped
	StaleSince *time.Time      `json:"stale_since"` // since when
	ImportW    *hub.Watt       `json:"import_w"`
	ExportW    *hub.Watt       `json:"export_w"`
	SolarW     *hub.Watt       `json:"solar_w"` // null: no solar device speaks
	HouseW     *hub.Watt       `json:"house_w"`
	Guarding   hub.GuardKind   `json:"guarding"` // what holds devices back; "": nothing
	Flow       flow            `json:"flow"`
	Phases     []phaseJSON     `json:"phases"`
	Registers  registersJSON   `json:"registers"`
	Tariff     *uint8          `json:"tariff"`
	Durable    *time.Time      `json:"durable_until"` // what is stored up to here survives a power cut
	Devices    []devicePowerJS `json:"devices"`
}

type phaseJSON struct {
	Phase     int              `json:"phase"` // 1 to 3
	ImportW   *hub.Watt        `json:"import_w"`
	ExportW   *hub.Watt        `json:"export_w"`
	CurrentMA *hub.Milliampere `json:"current_ma"`
	VoltageDV *hub.Decivolt    `json:"voltage_dv"`
}

type registersJSON struct {
	ImportT1 *hub.WattHour `json:"import_t1_wh"`
	ImportT2 *hub.WattHour `json:"import_t2_wh"`
	ExportT1 *hub.WattHour `json:"export_t1_wh"`
	ExportT2 *hub.WattHour `json:"export_t2_wh"`
	Gas      *int64        `json:"gas_dm3"`
}

type devicePowerJS struct {
	ID     string    `json:"id"`
	On     *bool     `json:"on"` // null: it never said
	PowerW *hub.Watt `json:"power_w"`
}

// given is a pointer to v if there is one, for JSON's null.
func given[T any](v T, ok bool) *T {
	if !ok {
		return nil
	}
	return &v
}

func givenTime(t time.Time) *time.Time { return given(t.UTC(), !t.IsZero()) }

// liveOf says what a snapshot says, in the API's words.
func (s *Server) liveOf(snap hub.Snapshot) liveJSON {
	r := snap.Reading
	has := func(h hub.Has) bool { return snap.HasReading && r.Has&h != 0 }
	live := liveJSON{
		Seq: snap.Seq, DevicesSeq: snap.DevicesSeq, PlanSeq: snap.PlanSeq, Now: snap.At.UTC(),
		At:    given(r.At.UTC(), snap.HasReading),
		AgeS:  given(max(0, snap.Age().Round(time.Millisecond).Seconds()), snap.HasReading),
		Stale: snap.Stale || !snap.HasReading, StaleSince: givenTime(snap.StaleSince),
		ImportW: given(r.Import, has(hub.HasImport)), ExportW: given(r.Export, has(hub.HasImport)),
		SolarW: given(snap.Solar, snap.HasSolar), HouseW: given(snap.House, has(hub.HasImport)),
		Registers: registersJSON{
			ImportT1: given(r.ImportT1, has(hub.HasImportT1)), ImportT2: given(r.ImportT2, has(hub.HasImportT2)),
			ExportT1: given(r.ExportT1, has(hub.HasExportT1)), ExportT2: given(r.ExportT2, has(hub.HasExportT2)),
			Gas: given(r.Gas, has(hub.HasGas)),
		},
		Guarding: guardKind(snap), Flow: flowOf(snap), Tariff: given(r.Tariff, has(hub.HasTariff)),
		Durable: givenTime(s.cfg.Feeds.Durable()),
		Phases:  []phaseJSON{}, Devices: []devicePowerJS{},
	}
	for i := range min(int(r.PhaseCount), len(r.Phases)) {
		p := r.Phases[i]
		live.Phases = append(live.Phases, phaseJSON{
			Phase:   i + 1,
			ImportW: given(p.Import, has(hub.HasPhasePower)), ExportW: given(p.Export, has(hub.HasPhasePower)),
			CurrentMA: given(p.Current, has(hub.HasCurrent)), VoltageDV: given(p.Voltage, has(hub.HasVoltage)),
		})
	}
	for _, d := range snap.Devices {
		live.Devices = append(live.Devices, devicePowerJS{d.ID, given(d.On, d.Has&hub.ReportOn != 0), given(d.Watts, d.Has&hub.ReportPower != 0)})
	}
	return live
}

func (s *Server) live(w http.ResponseWriter, r *http.Request, _ viewer) error {
	return writeJSON(w, r, http.StatusOK, s.liveOf(s.cfg.Live.Snapshot()))
}

// deviceJSON is a device with what it does.
type deviceJSON struct {
	hub.Device
	ModeNow hub.Mode  `json:"mode_now"` // the mode in force: a mode with an end falls back to auto
	State   stateJSON `json:"state"`
}

type stateJSON struct {
	Online    bool              `json:"online"`
	On        *bool             `json:"on"` // as the device says; null: it never said
	Amps      *int              `json:"amps"`
	PowerW    *hub.Watt         `json:"power_w"`
	EnergyWh  *hub.WattHour     `json:"energy_wh"`
	Plugged   *bool             `json:"plugged"`
	TempC     *hub.MilliCelsius `json:"temp_c"`  // what its thermometer shows
	TempAt    *time.Time        `json:"temp_at"` // and when it said so
	Seen      *time.Time        `json:"seen"`
	Commanded *hub.Command      `json:"commanded"` // null before the first command
	Confirmed bool              `json:"confirmed"` // it does what it was told last
	Mismatch  bool              `json:"mismatch"`  // it did not follow in spite of retries
}

// deviceOf says what a device is and does, with all times in UTC. It changes
// nothing that snapshots share.
func deviceOf(d hub.DeviceState, now time.Time) deviceJSON {
	d.ModeUntil, d.Commanded.At, d.Commanded.Until = d.ModeUntil.UTC(), d.Commanded.At.UTC(), d.Commanded.Until.UTC()
	if d.Schedule != nil {
		sched := *d.Schedule
		sched.SetAt, sched.Skip, sched.PausedUntil = sched.SetAt.UTC(), sched.Skip.UTC(), sched.PausedUntil.UTC()
		d.Schedule = &sched
	}
	return deviceJSON{Device: d.Device, ModeNow: d.ModeAt(now), State: stateJSON{
		Online: d.Online,
		On:     given(d.On, d.Has&hub.ReportOn != 0), Amps: given(d.Amps, d.Has&hub.ReportAmps != 0),
		PowerW: given(d.Watts, d.Has&hub.ReportPower != 0), EnergyWh: given(d.Counter, d.Has&hub.ReportEnergy != 0),
		Plugged: given(d.Plugged, d.Has&hub.ReportPlugged != 0), Seen: givenTime(d.Seen),
		TempC: given(d.Temp, d.Has&hub.ReportTemp != 0), TempAt: givenTime(d.TempAt),
		Commanded: given(d.Commanded, !d.Commanded.At.IsZero()), Confirmed: d.Confirmed(), Mismatch: d.Mismatch,
	}}
}

// planJSON is GET /api/plan and the data of a plan event.
type planJSON struct {
	At      *time.Time    `json:"at"` // null before the first plan
	Devices []hub.Planned `json:"devices"`
	Slots   []slotJSON    `json:"slots"`
	Cost    hub.MicroEuro `json:"cost_microeuro"`
	Bound   hub.MicroEuro `json:"lower_bound_microeuro"`
}

type slotJSON struct {
	Start  time.Time      `json:"start"`
	Import *hub.MicroEuro `json:"import_microeuro_kwh"` // null: not known yet
	Export *hub.MicroEuro `json:"export_microeuro_kwh"`
}

// planOf says what a plan says, with all times in UTC.
func planOf(p *hub.Plan) planJSON {
	out := planJSON{Devices: []hub.Planned{}, Slots: []slotJSON{}}
	if p == nil {
		return out
	}
	out.At, out.Cost, out.Bound = givenTime(p.At), p.Cost, p.Bound
	for _, d := range p.Devices {
		runs := make([]hub.Run, len(d.Runs))
		for i, run := range d.Runs {
			run.Start, run.End = run.Start.UTC(), run.End.UTC()
			runs[i] = run
		}
		d.Runs, d.Deadline = runs, d.Deadline.UTC()
		out.Devices = append(out.Devices, d)
	}
	for _, slot := range p.Slots {
		out.Slots = append(out.Slots, slotJSON{slot.Start.UTC(), given(slot.Import, slot.Known), given(slot.Export, slot.Known)})
	}
	return out
}

func (s *Server) plan(w http.ResponseWriter, r *http.Request, _ viewer) error {
	return writeJSON(w, r, http.StatusOK, planOf(s.cfg.Live.Snapshot().Plan))
}

// healthJSON is GET /healthz.
type healthJSON struct {
	Condition hub.Condition `json:"condition"`
	Version   string        `json:"version"`
	Parts     []hub.Part    `json:"parts"`
}

func (s *Server) healthz(w http.ResponseWriter, r *http.Request, _ viewer) error {
	parts, worst := s.cfg.Health.Parts()
	if parts == nil {
		parts = []hub.Part{}
	}
	status := http.StatusOK
	if worst == hub.Down {
		status = http.StatusServiceUnavailable
	}
	return writeJSON(w, r, status, healthJSON{worst, s.cfg.Version, parts})
}
