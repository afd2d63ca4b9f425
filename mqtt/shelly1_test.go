package mqtt

import (
	"testing"

	"homehub/hub"
)

func TestShelly1Hears(t *testing.T) {
	hearAll(t, hub.Device{Family: hub.FamilyShelly1, Topic: "shellies/pm"}, []heard{
		{"shellies/pm/online", "true", online(true)},
		{"shellies/pm/online", "false", online(false)},
		{"shellies/pm/relay/0", "on", on(true)},
		{"shellies/pm/relay/0", "off", on(false)},
		{"shellies/pm/relay/0", "overpower", on(false)},
		{"shellies/pm/relay/0", "maybe", nil},
		{"shellies/pm/relay/1", "on", nil},
		{"shellies/pm/relay/0/command", "on", nil},
		{"shellies/pm/relay/0/power", "1999.62", &hub.Report{Has: hub.ReportPower, Power: 2000}},
		{"shellies/pm/relay/0/energy", "90", &hub.Report{Has: hub.ReportEnergy, Energy: 2}}, // watt-minutes
		{"shellies/pm/relay/0/energy", "-1", nil},
		{"shellies/pm/temperature", "41.5", nil},
	})
	hearAll(t, hub.Device{Family: hub.FamilyShelly1, Topic: "shellies/two/relay/1"}, []heard{
		{"shellies/two/relay/0", "on", nil},
		{"shellies/two/relay/1", "on", on(true)},
		{"shellies/two/online", "false", online(false)},
	})
}

// The lease is the timer of an HTTP request; what goes over MQTT is for a
// Shelly that does not answer it.
func TestShelly1Tells(t *testing.T) {
	d := hub.Device{Family: hub.FamilyShelly1, Topic: "shellies/two/relay/1"}
	now := at("2026-06-01 12:00:00")
	m := newDriver(d).tell(hub.Command{On: true, Until: now.Add(hub.MaxLease)}, now)
	if len(m) != 1 || m[0].path != "/relay/1?turn=on&timer=900" || m[0].topic != "shellies/two/relay/1/command" || string(m[0].payload) != "on" {
		t.Errorf("on: %+v", m)
	}
	m = newDriver(d).tell(hub.Command{}, now)
	if len(m) != 1 || m[0].path != "/relay/1?turn=off" || string(m[0].payload) != "off" {
		t.Errorf("off: %+v", m)
	}
}

// A Shelly whose pages are locked is switched all the same.
func TestShelly1WithoutPages(t *testing.T) {
	t.Parallel()
	f := familyOf(hub.FamilyShelly1)
	s := f.stand(t, 60)
	s.fleet.caller.port = 1 // nobody answers there
	d := f.device()
	if err := s.hub.PutDevice(d); err != nil {
		t.Fatal(err)
	}
	s.SetDevices([]hub.Device{d})
	s.plug()
	eventually(t, "it says how it is", func() bool { return s.state().Has&hub.ReportOn != 0 })
	s.do(t, hub.Command{On: true})
	eventually(t, "it is on", func() bool { return s.gadget.On() && s.state().Confirmed() })
	s.do(t, hub.Command{})
	eventually(t, "it is off", func() bool { return !s.gadget.On() && s.state().Confirmed() })
}

func FuzzShelly1(f *testing.F) {
	f.Add("shellies/pm/relay/0", []byte("on"), "shellies/pm/relay/0/energy", []byte("9e99"))
	fuzzCodec(f, hub.Device{Family: hub.FamilyShelly1, Topic: "shellies/pm"}, "shellies/pm/")
}
