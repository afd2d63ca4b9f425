package webui

import (
	"net/http"
	"net/netip"

	"homehub/hub"
)

// errNoPairing is the answer of a hub that does not pair.
func errNoPairing() error { return hub.Errorf(hub.Unavailable, "this hub does not pair devices") }

func (s *Server) pairingState() PairingState {
	st := PairingState{Phase: phaseClosed}
	if s.cfg.Pairing != nil {
		st = s.cfg.Pairing.State()
	}
	st.Until = st.Until.UTC()
	requests := []PairingRequest{}
	for _, r := range st.Requests {
		r.First = r.First.UTC()
		requests = append(requests, r)
	}
	st.Requests = requests
	return st
}

func (s *Server) pairing(w http.ResponseWriter, r *http.Request, _ viewer) error {
	return writeJSON(w, r, http.StatusOK, s.pairingState())
}

func (s *Server) postPairing(w http.ResponseWriter, r *http.Request, v viewer) error {
	if s.cfg.Pairing == nil {
		return errNoPairing()
	}
	s.cfg.Pairing.SetOpen(v.name(), true)
	return writeJSON(w, r, http.StatusOK, s.pairingState())
}

func (s *Server) deletePairing(w http.ResponseWriter, _ *http.Request, v viewer) error {
	if s.cfg.Pairing == nil {
		return errNoPairing()
	}
	s.cfg.Pairing.SetOpen(v.name(), false)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// allowBody is what POST /api/pairing/allow takes.
type allowBody struct {
	Addr   string   `json:"addr"`
	Name   string   `json:"name"`   // "": made from what the device says it is
	Role   hub.Role `json:"role"`   // "": likewise
	Device string   `json:"device"` // id of a device that shall log in anew; "": it is a new one
}

func (s *Server) postAllow(w http.ResponseWriter, r *http.Request, v viewer) error {
	var body allowBody
	if err := readJSON(r, &body); err != nil {
		return err
	}
	if err := s.allow(r, body, v); err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusOK, s.pairingState())
}

// allow lets in the device that asked from an address.
func (s *Server) allow(r *http.Request, body allowBody, v viewer) error {
	if s.cfg.Pairing == nil {
		return errNoPairing()
	}
	addr, err := netip.ParseAddr(body.Addr)
	if err != nil {
		return hub.FieldErrorf("addr", "must be the address that a device asked from")
	}
	s.edit.Lock()
	defer s.edit.Unlock()
	d, err := s.deviceToBe(r, body, addr)
	if err != nil {
		return err
	}
	return s.cfg.Pairing.Allow(v.name(), addr, d)
}

// deviceToBe is what the device at addr becomes: one that is there, with a
// fresh log-in, or a new one.
func (s *Server) deviceToBe(r *http.Request, body allowBody, addr netip.Addr) (hub.Device, error) {
	if body.Device != "" {
		d, err := s.find(body.Device)
		if err == nil && d.Family != hub.FamilyEmonESP && d.Family != hub.FamilyHPMon {
			err = hub.FieldErrorf("device", "%s is not a device that asks", d.Name)
		}
		return d.Device, err
	}
	var asked PairingRequest
	for _, req := range s.pairingState().Requests {
		if req.Addr == addr {
			asked = req
		}
	}
	d := hub.Device{Name: body.Name, Family: hub.FamilyEmonESP, Role: body.Role, Mode: hub.ModeAuto}
	if asked.Kind == "hpmon" {
		d.Family = hub.FamilyHPMon
	}
	if d.Role == "" {
		d.Role = asked.Role
	}
	if d.Role == "" {
		d.Role = hub.RolePlug
	}
	if d.Name == "" {
		d.Name = s.texts.of(r).T("pair.name." + string(d.Role))
	}
	d.ID = s.freeID(d.Name)
	d.Topic = "emon/" + d.ID
	return d.Validate()
}

// setupBody is what POST /api/pairing/setup takes.
type setupBody struct {
	Addr     string `json:"addr"`
	Password string `json:"password"` // of the device's own page, if it has one
	Name     string `json:"name"`
}

func (s *Server) postSetup(w http.ResponseWriter, r *http.Request, v viewer) error {
	var body setupBody
	if err := readJSON(r, &body); err != nil {
		return err
	}
	d, err := s.configure(r, body, v)
	if err != nil {
		return err
	}
	return s.answerNew(w, r, d)
}

func (s *Server) answerNew(w http.ResponseWriter, r *http.Request, d hub.DeviceState) error {
	w.Header().Set("Location", "/api/devices/"+d.ID)
	return writeJSON(w, r, http.StatusCreated, deviceOf(d, s.now()))
}

func (s *Server) configure(r *http.Request, body setupBody, v viewer) (hub.DeviceState, error) {
	if s.cfg.Setup == nil {
		return hub.DeviceState{}, errNoPairing()
	}
	s.edit.Lock()
	defer s.edit.Unlock()
	id, err := s.cfg.Setup.Configure(r.Context(), v.name(), SetupOrder{Addr: body.Addr, Password: body.Password, Name: body.Name, ID: s.freeID})
	if err != nil {
		return hub.DeviceState{}, err
	}
	return s.find(id)
}

func (s *Server) nearby() Nearby {
	var n Nearby
	if s.cfg.Setup != nil {
		n = s.cfg.Setup.Nearby()
	}
	if n.Found == nil {
		n.Found = []hub.Found{}
	}
	if n.Seen == nil {
		n.Seen = []Seen{}
	}
	return n
}

func (s *Server) found(w http.ResponseWriter, r *http.Request, _ viewer) error {
	return writeJSON(w, r, http.StatusOK, s.nearby())
}

// adoptBody is what POST /api/found/adopt takes.
type adoptBody struct {
	Key  string   `json:"key"`
	Name string   `json:"name"` // "": its own
	Role hub.Role `json:"role"` // "": its own
}

func (s *Server) postAdopt(w http.ResponseWriter, r *http.Request, v viewer) error {
	var body adoptBody
	if err := readJSON(r, &body); err != nil {
		return err
	}
	d, err := s.adopt(body, v)
	if err != nil {
		return err
	}
	return s.answerNew(w, r, d)
}

func (s *Server) adopt(body adoptBody, v viewer) (hub.DeviceState, error) {
	s.edit.Lock()
	defer s.edit.Unlock()
	for _, f := range s.nearby().Found {
		if f.Key != body.Key {
			continue
		}
		name := body.Name
		if name == "" {
			name = f.Name
		}
		d := f.Device(s.freeID(name), name)
		if body.Role != "" {
			d.Role = body.Role
		}
		if err := s.cfg.Setup.Adopt(v.name(), f.Key, d); err != nil {
			return hub.DeviceState{}, err
		}
		s.audit(v, "device.adopted", d.ID)
		return s.find(d.ID)
	}
	return hub.DeviceState{}, hub.Errorf(hub.NotFound, "that device is not there any more")
}

// deviceLoginJSON is the log-in of a device at the broker. Its password is
// told this once.
type deviceLoginJSON struct {
	clientJSON
	Topic string `json:"topic"` // base of the topics that it may use
	Port  int    `json:"port"`  // of the broker
}

func (s *Server) postDeviceLogin(w http.ResponseWriter, r *http.Request, v viewer) error {
	login, err := s.newLogin(r.PathValue("id"), v)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return writeJSON(w, r, http.StatusOK, login)
}

// newLogin makes a log-in for a device, in place of the one it has.
func (s *Server) newLogin(id string, v viewer) (deviceLoginJSON, error) {
	d, err := s.find(id)
	if err != nil {
		return deviceLoginJSON{}, err
	}
	if s.cfg.LogIn == nil || !onBroker(d.Family) {
		return deviceLoginJSON{}, hub.Errorf(hub.Invalid, "%s does not speak to the broker", d.Name)
	}
	cred, secret, port, err := s.cfg.LogIn(d.Device)
	if err != nil {
		return deviceLoginJSON{}, err
	}
	s.audit(v, "device.login", id)
	return deviceLoginJSON{clientOf(cred, secret), d.Topic, port}, nil
}

// onBroker says whether devices of a family are clients of the broker.
func onBroker(f hub.Family) bool { return f != hub.FamilyGPIO && f != hub.FamilyWebhook }

func (s *Server) postRestore(w http.ResponseWriter, r *http.Request, v viewer) error {
	d, err := s.restore(r.PathValue("id"), v)
	if err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusOK, deviceOf(d, s.now()))
}

// restore brings back a device that was removed a moment ago.
func (s *Server) restore(id string, v viewer) (hub.DeviceState, error) {
	if s.cfg.Restore == nil {
		return hub.DeviceState{}, hub.Errorf(hub.NotFound, "there is nothing to bring back")
	}
	s.edit.Lock()
	defer s.edit.Unlock()
	if err := s.cfg.Restore(id); err != nil {
		return hub.DeviceState{}, err
	}
	s.audit(v, "device.restored", id)
	return s.find(id)
}

// testBody is what POST /api/devices/{id}/test takes.
type testBody struct {
	Mode hub.Mode `json:"mode"` // on or off
}

func (s *Server) postTest(w http.ResponseWriter, r *http.Request, v viewer) error {
	var body testBody
	if err := readJSON(r, &body); err != nil {
		return err
	}
	d, err := s.test(r.PathValue("id"), body.Mode, v)
	if err != nil {
		return err
	}
	return writeJSON(w, r, http.StatusOK, deviceOf(d, s.now()))
}

// test switches a device for a minute, after which it is on auto again.
func (s *Server) test(id string, mode hub.Mode, v viewer) (hub.DeviceState, error) {
	now := s.now()
	return s.change(id, v, "test."+string(mode), func(d *hub.Device) error {
		if mode != hub.ModeOn && mode != hub.ModeOff {
			return hub.FieldErrorf("mode", "%q is not one of on, off", mode)
		}
		return setMode(d, mode, now.Add(testRun), now)
	})
}
