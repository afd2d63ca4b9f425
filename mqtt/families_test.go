package mqtt

import (
	"context"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"

	"homehub/hub"
	"homehub/sim"
)

// family is one row of the tests over all device families: a gadget with the
// family's own firmware, over TCP and the real broker.
type family struct {
	family  hub.Family
	topic   string
	name    string // that it announces; "" if it announces nothing
	bridge  string // filter of the log-in of a bridge that speaks for it
	foreign string // a topic that is none of its own
	meters  bool
	ends    bool // by itself
}

var allFamilies = []family{
	{family: hub.FamilyEmonESP, topic: "emon/smartplug1272", name: "smartplug1272", foreign: "emon/smartplug9/in/ctrlmode", meters: true},
	{family: hub.FamilyHPMon, topic: "emon/hpmon5", name: "hpmon5", foreign: "emon/smartplug1272/in/ctrlmode"},
	{family: hub.FamilyTasmota, topic: "tasmota_B3C4D5", name: "Kettle", foreign: "cmnd/tasmota_other/POWER", meters: true, ends: true},
	{family: hub.FamilyShelly1, topic: "shellies/shelly1pm-B3C4D5", name: "shelly1pm-B3C4D5", foreign: "shellies/shelly1pm-other/relay/0/command", meters: true, ends: true},
	{family: hub.FamilyShelly2, topic: "shellyplus1pm-a8032ab12345", name: "shellyplus1pm-a8032ab12345", foreign: "shellyplus1pm-other/rpc", meters: true, ends: true},
	{family: hub.FamilyZigbee2MQTT, topic: "zigbee2mqtt/Attic/Fan plug", name: "Attic/Fan plug", bridge: "zigbee2mqtt/#", foreign: "zigbee3mqtt/bridge/state", meters: true, ends: true},
	{family: hub.FamilyESPHome, topic: "boiler-plug", foreign: "other-plug/switch/relay/command", meters: true},
	{family: hub.FamilyOpenEVSE, topic: "openevse-55ad", name: "openevse-55ad", foreign: "openevse-1111/claim/set", meters: true, ends: true},
	{family: hub.FamilyMQTT, topic: "inverter/1", foreign: "inverter/2/set", meters: true, ends: true},
}

func familyOf(name hub.Family) family {
	return allFamilies[slices.IndexFunc(allFamilies, func(f family) bool { return f.family == name })]
}

func (f family) device() hub.Device {
	d := hub.Device{ID: "it", Name: "It", Family: f.family, Role: hub.RolePlug, Topic: f.topic, Mode: hub.ModeAuto}
	switch f.family {
	case hub.FamilyMQTT:
		d.Map = sim.Map(f.family, f.topic)
	case hub.FamilyOpenEVSE:
		d.Role, d.MinAmps, d.MaxAmps, d.Phases = hub.RoleCharger, 6, 16, 1
	}
	return d
}

// gadget is the hardware of a row.
type gadget interface {
	On() bool
	Run(context.Context) error
}

// charger is the charger of a simulated house, with a car that is not full.
type charger struct {
	house *sim.House
	cfg   sim.Config
}

func newCharger(t *testing.T, clock hub.Clock, addr string, login sim.Credentials) charger {
	t.Helper()
	h, err := sim.New(sim.HouseConfig{Seed: 1, Start: clock.Now(), CarCapacity: 500_000, DefaultDisabled: true})
	if err != nil {
		t.Fatal(err)
	}
	return charger{h, sim.Config{Clock: clock, House: h, Logger: discard0(), Broker: addr, Car: login}}
}

func (c charger) On() bool                      { return c.house.Car().Charging }
func (c charger) Run(ctx context.Context) error { return sim.Run(ctx, c.cfg) }

// power is what it draws when it is on, with 10 A if it is a charger.
func (f family) power() hub.Watt {
	if f.family == hub.FamilyOpenEVSE {
		return 2300
	}
	return 1000
}

// stand is a hub with its broker and one gadget.
type stand struct {
	*house
	hub    *hub.Hub
	clock  hub.Clock
	gadget gadget
	plug   func() (pull func())
}

func (f family) stand(t *testing.T, speed int) *stand {
	t.Helper()
	s := &stand{clock: hub.ScaledClock(at("2026-02-03 00:00:00"), speed)}
	v := newVault()
	d := f.device()
	user := d.ID
	if f.bridge != "" {
		user = "bridge"
		v.add(user, "", rw(f.bridge))
	} else {
		v.add(user, d.ID, Grants(d)...)
	}
	actuate := actuator(func(ctx context.Context, d hub.Device, c hub.Command) error { return s.Actuate(ctx, d, c) })
	var err error
	s.hub, err = hub.New(hub.Config{Clock: s.clock, Logger: discard0(), Actuators: map[hub.Family]hub.Actuator{f.family: actuate, hub.FamilyMQTT: actuate}})
	if err != nil {
		t.Fatal(err)
	}
	s.house = open(t, v, func(c *Config) { c.Clock, c.Report = s.clock, s.hub.Report })
	login := sim.Credentials{ClientID: user, Username: user, Password: v.secret(user), Topic: f.topic}
	if f.family == hub.FamilyOpenEVSE {
		s.gadget = newCharger(t, s.clock, s.addr, login)
	} else {
		g, err := sim.NewGadget(sim.GadgetConfig{Family: f.family, Clock: s.clock, Broker: s.addr, Login: login})
		if err != nil {
			t.Fatal(err)
		}
		if _, port, err := net.SplitHostPort(g.Address()); err == nil {
			s.fleet.caller.port, _ = strconv.Atoi(port)
		}
		s.gadget = g
	}
	s.plug = func() func() { return start(t, s.gadget.Run) }
	start(t, s.hub.Run)
	return s
}

type actuator func(context.Context, hub.Device, hub.Command) error

func (f actuator) Actuate(ctx context.Context, d hub.Device, c hub.Command) error {
	return f(ctx, d, c)
}

// start runs something until stop or the end of the test.
func start(t *testing.T, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func (s *stand) state() hub.DeviceState {
	d, _ := s.hub.Device("it")
	return d
}

// do tells the device something. A gadget says that it is there before the
// broker has its subscriptions, so the first try may find nobody listening.
func (s *stand) do(t *testing.T, c hub.Command) {
	t.Helper()
	if c.Device = "it"; c.On {
		c.Until = s.clock.Now().Add(hub.MaxLease)
	}
	eventually(t, "it listens", func() bool {
		err := s.hub.Do(t.Context(), c)
		if err != nil && hub.CodeOf(err) != hub.Unavailable {
			t.Fatal(err)
		}
		return err == nil
	})
}

// Each family: it is found and adopted (or added, where it announces nothing),
// does what it is told and says so, is missed when it goes and asked when it
// comes back, and can not touch what is another's.
func TestFamilies(t *testing.T) {
	for _, f := range allFamilies {
		t.Run(string(f.family), func(t *testing.T) {
			t.Parallel()
			s := f.stand(t, 60)
			pull := s.plug()
			d := f.device()
			if f.name != "" {
				d = s.adopt(t, f)
			}
			if err := s.hub.PutDevice(d); err != nil {
				t.Fatal(err)
			}
			s.SetDevices([]hub.Device{d})
			if found := s.Found(); len(found) != 0 {
				t.Errorf("an adopted device is still among those that were found: %+v", found)
			}
			if f.bridge != "" { // the bridge is there, but nobody asked it for this device yet
				s.SetDevices(nil)
				s.SetDevices([]hub.Device{d})
			}
			eventually(t, "it says how it is", func() bool { return s.state().Online && s.state().Has&hub.ReportOn != 0 })
			s.do(t, hub.Command{On: true, Amps: 10, Setpoint: 700})
			eventually(t, "it is on and says so", func() bool { return s.gadget.On() && s.state().Confirmed() && s.state().On })
			if f.meters {
				eventually(t, "it measures", func() bool { return s.state().Watts == f.power() && s.state().Counter > 0 })
			}
			if g, ok := s.gadget.(*sim.Gadget); ok && f.family == hub.FamilyMQTT && (g.Watts() != 700 || s.state().SoC != 57) {
				t.Errorf("the set-point is %d, the state of charge %d", g.Watts(), s.state().SoC)
			}
			if g, ok := s.gadget.(*sim.Gadget); ok && f.family == hub.FamilyHPMon && g.Vout() != "751" {
				t.Errorf("35 °C are %s counts", g.Vout())
			}
			s.do(t, hub.Command{})
			eventually(t, "it is off and says so", func() bool { return !s.gadget.On() && s.state().Confirmed() && !s.state().On })

			pull()
			eventually(t, "it is missed", func() bool { return !s.state().Online })
			// It may have said so itself, just before its connection ended.
			eventually(t, "nobody hears a command to it", func() bool {
				return hub.CodeOf(s.Actuate(t.Context(), d, hub.Command{})) == hub.Unavailable
			})
			again := s.plug()
			eventually(t, "it is back", func() bool { return s.state().Online })
			s.do(t, hub.Command{On: true})
			eventually(t, "it obeys again", func() bool { return s.gadget.On() && s.state().Confirmed() })
			again()
			s.refuses(t, f)
		})
	}
}

// adopt finds the device and makes it one of the house's.
func (s *stand) adopt(t *testing.T, f family) hub.Device {
	t.Helper()
	var n hub.Found
	eventually(t, "it is found", func() bool {
		all := s.Found()
		if len(all) == 1 {
			n = all[0]
		}
		return len(all) == 1 && (!f.meters || f.family == hub.FamilyEmonESP || slices.Contains(n.Can, hub.CanPower))
	})
	if n.Name != f.name || n.Family != f.family || n.Topic != f.topic || n.Role != f.device().Role || n.Since.IsZero() || slices.Contains(n.Can, hub.CanEnd) != f.ends {
		t.Errorf("found %+v", n)
	}
	d, err := s.Adopt(n.Key, "it", "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// refuses tries the device's log-in on what is another's.
func (s *stand) refuses(t *testing.T, f family) {
	t.Helper()
	s.vault.add("spy", "", rw("#"))
	spy := s.dial(t, "spy")
	heard := listen(t, spy, "#", 0)
	user := "it"
	if f.bridge != "" {
		user = "bridge"
	}
	c := s.dial(t, user)
	if c.Subscribe(f.foreign, 0, nil).WaitTimeout(patience) && s.server.Topics.Subscribers(f.foreign).Subscriptions[user].Filter != "" {
		t.Error("it may listen to what is another's")
	}
	say(t, c, f.foreign, 0, false, "it was me")
	say(t, spy, "the/end", 0, false, "")
	for m := range heard {
		if m.Topic() == "the/end" {
			return
		}
		if string(m.Payload()) == "it was me" {
			t.Error("it may speak where it is not its place")
		}
	}
}
