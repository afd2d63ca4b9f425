package webui

import (
	"context"
	"net/http"
	"strings"
	"time"

	"homehub/hub"
)

// testRun is how long a device stays switched by the test button.
const testRun = time.Minute

func (s *Server) devices(w http.ResponseWriter, r *http.Request, _ viewer) error {
	snap := s.cfg.Live.Snapshot()
	list := []deviceJSON{}
	for _, d := range snap.Devices {
		list = append(list, deviceOf(d, snap.At))
	}
	return writeJSON(w, r, http.StatusOK, struct {
		Devices []deviceJSON `json:"devices"`
	}{list})
}

func (s *Server) device(w http.ResponseWriter, r *http.Request, _ viewer) error {
	d, err := s.find(r.PathValue("id"))
	if err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusOK, deviceOf(d, s.now()))
}

// find is the state of a device.
func (s *Server) find(id string) (hub.DeviceState, error) {
	for _, d := range s.cfg.Live.Snapshot().Devices {
		if d.ID == id {
			return d, nil
		}
	}
	return hub.DeviceState{}, hub.Errorf(hub.NotFound, "there is no device %q", id)
}

// newDevice is what POST /api/devices takes.
type newDevice struct {
	ID      string        `json:"id"` // made from the name if left out
	Name    string        `json:"name"`
	Family  hub.Family    `json:"family"`
	Role    hub.Role      `json:"role"`
	Topic   string        `json:"topic"`
	Room    string        `json:"room"`
	Power   hub.Watt      `json:"power_w"`
	MinAmps int           `json:"min_amps"`
	MaxAmps int           `json:"max_amps"`
	Phases  int           `json:"phases"`
	FlowC   int           `json:"flow_c"`
	TempOf  string        `json:"temperature_of"`
	Litres  int           `json:"litres"`
	Map     *hub.TopicMap `json:"map"` // families mqtt and webhook
	deviceWiring
}

// deviceWiring is how a device is wired and what it stores.
type deviceWiring struct {
	Line         *int         `json:"line"`
	SwitchPhases *bool        `json:"switch_phases"`
	Essential    *bool        `json:"essential"`
	Battery      *hub.Battery `json:"battery"` // with a capacity of 0 there is none
}

func (b deviceWiring) put(d *hub.Device) {
	take(&d.Line, b.Line)
	take(&d.SwitchPhases, b.SwitchPhases)
	take(&d.Essential, b.Essential)
	if b.Battery != nil {
		d.Battery = b.Battery
		if b.Battery.Capacity == 0 {
			d.Battery = nil
		}
	}
}

func (s *Server) postDevice(w http.ResponseWriter, r *http.Request, v viewer) error {
	var body newDevice
	if err := readJSON(r, &body); err != nil {
		return err
	}
	d, err := s.addDevice(body, v)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/devices/"+d.ID)
	return writeJSON(w, r, http.StatusCreated, deviceOf(d, s.now()))
}

func (s *Server) addDevice(body newDevice, v viewer) (hub.DeviceState, error) {
	s.edit.Lock()
	defer s.edit.Unlock()
	if body.ID == "" {
		body.ID = s.freeID(body.Name)
	} else if _, err := s.find(body.ID); err == nil {
		return hub.DeviceState{}, &hub.Error{Code: hub.Conflict, Field: "id", Message: "is used already"}
	}
	if err := s.checkSensor(body.TempOf); err != nil {
		return hub.DeviceState{}, err
	}
	d := hub.Device{
		ID: body.ID, Name: body.Name, Family: body.Family, Role: body.Role, Topic: body.Topic, Room: body.Room,
		Power: body.Power, MinAmps: body.MinAmps, MaxAmps: body.MaxAmps, Phases: body.Phases, FlowC: body.FlowC, Map: body.Map,
		TempOf: body.TempOf, Litres: body.Litres, Mode: hub.ModeAuto,
	}
	body.put(&d)
	if err := s.cfg.Devices.PutDevice(d); err != nil {
		return hub.DeviceState{}, err
	}
	s.audit(v, "device.added", body.ID)
	return s.find(body.ID)
}

// checkSensor says whether the device that shall measure for another is there.
func (s *Server) checkSensor(id string) error {
	if id == "" {
		return nil
	}
	if _, err := s.find(id); err != nil {
		return hub.FieldErrorf("temperature_of", "there is no device %q", id)
	}
	return nil
}

// freeID makes an id of a name that no device has yet.
func (s *Server) freeID(name string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9' && b.Len() > 0:
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	base := b.String()
	base = strings.Trim(base[:min(len(base), 28)], "-")
	if base == "" {
		base = "device"
	}
	id := base
	for n := '2'; ; n++ {
		if _, err := s.find(id); err != nil || n > '9' {
			return id
		}
		id = base + "-" + string(n)
	}
}

// devicePatch is what PATCH /api/devices/{id} takes: what is left out stays.
type devicePatch struct {
	Name    *string     `json:"name"`
	Family  *hub.Family `json:"family"`
	Role    *hub.Role   `json:"role"`
	Topic   *string     `json:"topic"`
	Room    *string     `json:"room"`
	Power   *hub.Watt   `json:"power_w"`
	MinAmps *int        `json:"min_amps"`
	MaxAmps *int        `json:"max_amps"`
	Phases  *int        `json:"phases"`
	TempOf  *string     `json:"temperature_of"`
	Litres  *int        `json:"litres"`
	FlowC   *int        `json:"flow_c"`
	// Map takes the place of the whole map.
	Map *hub.TopicMap `json:"map"`
	deviceWiring
}

func take[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func (s *Server) patchDevice(w http.ResponseWriter, r *http.Request, v viewer) error {
	var p devicePatch
	if err := readJSON(r, &p); err != nil {
		return err
	}
	return s.answerChanged(w, r, v, "device.changed", func(d *hub.Device) error {
		take(&d.Name, p.Name)
		take(&d.Family, p.Family)
		take(&d.Role, p.Role)
		take(&d.Topic, p.Topic)
		take(&d.Room, p.Room)
		take(&d.Power, p.Power)
		take(&d.MinAmps, p.MinAmps)
		take(&d.MaxAmps, p.MaxAmps)
		take(&d.Phases, p.Phases)
		take(&d.FlowC, p.FlowC)
		if p.Map != nil {
			d.Map = p.Map
		}
		p.put(d)
		take(&d.TempOf, p.TempOf)
		take(&d.Litres, p.Litres)
		return s.checkSensor(d.TempOf)
	})
}

func (s *Server) deleteDevice(w http.ResponseWriter, r *http.Request, v viewer) error {
	if err := s.removeDevice(r.Context(), r.PathValue("id"), v); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) removeDevice(ctx context.Context, id string, v viewer) error {
	s.edit.Lock()
	defer s.edit.Unlock()
	if err := s.cfg.Devices.DeleteDevice(ctx, id); err != nil {
		return err
	}
	s.audit(v, "device.removed", id)
	return nil
}

// change lets f change what people decided about a device, and keeps it.
// What snapshots share is never written to: f must replace d.Schedule.
func (s *Server) change(id string, v viewer, what string, f func(d *hub.Device) error) (hub.DeviceState, error) {
	s.edit.Lock()
	defer s.edit.Unlock()
	state, err := s.find(id)
	if err != nil {
		return state, err
	}
	d := state.Device
	if err := f(&d); err != nil {
		return state, err
	}
	if err := s.cfg.Devices.PutDevice(d); err != nil {
		return state, err
	}
	s.audit(v, what, id)
	return s.find(id)
}

func (s *Server) answerChanged(w http.ResponseWriter, r *http.Request, v viewer, what string, f func(d *hub.Device) error) error {
	d, err := s.change(r.PathValue("id"), v, what, f)
	if err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusOK, deviceOf(d, s.now()))
}

// scheduleBody is hub.Schedule as people send it.
type scheduleBody struct {
	When        hub.When       `json:"when"`
	ReadyBy     *hub.LocalTime `json:"ready_by"`
	SoC         int            `json:"until_soc"`
	Minutes     int            `json:"minutes"`
	Energy      hub.WattHour   `json:"energy_wh"`
	Keep        hub.Band       `json:"keep"`
	MayPause    bool           `json:"may_pause"`
	Days        hub.Weekdays   `json:"days"`
	Skip        time.Time      `json:"skip"`
	PausedUntil time.Time      `json:"paused_until"`
}

func (b scheduleBody) schedule(now time.Time) (*hub.Schedule, error) {
	if b.ReadyBy == nil && b.Keep != (hub.Band{}) {
		b.ReadyBy = new(hub.LocalTime) // a temperature is kept at all times
	}
	if b.ReadyBy == nil {
		return nil, hub.FieldErrorf("ready_by", "is missing: give a time of day like 07:00")
	}
	sched := &hub.Schedule{
		When: b.When, ReadyBy: *b.ReadyBy, SoC: b.SoC, Minutes: b.Minutes, Energy: b.Energy, Keep: b.Keep, MayPause: b.MayPause, Days: b.Days,
		SetAt: now.UTC(), Skip: b.Skip, PausedUntil: b.PausedUntil,
	}
	return sched, sched.Validate()
}

func (s *Server) putSchedule(w http.ResponseWriter, r *http.Request, v viewer) error {
	var body scheduleBody
	if err := readJSON(r, &body); err != nil {
		return err
	}
	sched, err := body.schedule(s.now())
	if err != nil {
		return err
	}
	return s.answerChanged(w, r, v, "device.scheduled", func(d *hub.Device) error {
		d.Schedule = sched
		return nil
	})
}

func (s *Server) deleteSchedule(w http.ResponseWriter, r *http.Request, v viewer) error {
	return s.answerChanged(w, r, v, "device.unscheduled", func(d *hub.Device) error {
		d.Schedule = nil
		return nil
	})
}

// modeBody is what POST /api/devices/{id}/mode takes.
type modeBody struct {
	Mode  *hub.Mode `json:"mode"`
	Until time.Time `json:"until"` // zero: until changed
}

func (s *Server) postMode(w http.ResponseWriter, r *http.Request, v viewer) error {
	var body modeBody
	if err := readJSON(r, &body); err != nil {
		return err
	}
	if body.Mode == nil {
		return hub.FieldErrorf("mode", "is missing: give on, off or auto")
	}
	return s.answerChanged(w, r, v, "mode."+string(*body.Mode), func(d *hub.Device) error {
		return setMode(d, *body.Mode, body.Until, s.now())
	})
}

func setMode(d *hub.Device, mode hub.Mode, until, now time.Time) error {
	switch mode {
	case hub.ModeOn, hub.ModeOff, hub.ModeAuto:
	default:
		return hub.FieldErrorf("mode", "%q is not one of on, off, auto", mode)
	}
	if !d.Switched() {
		return hub.FieldErrorf("mode", "%s can not be switched", d.Name)
	}
	if !until.IsZero() {
		if mode == hub.ModeAuto {
			return hub.FieldErrorf("until", "is for on and off: auto has no end")
		}
		if !until.After(now) {
			return hub.FieldErrorf("until", "must lie in the future")
		}
		until = until.UTC()
	}
	d.Mode, d.ModeUntil = mode, until
	return nil
}
