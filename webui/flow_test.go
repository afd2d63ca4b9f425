package webui_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"homehub/hub"
	"homehub/webui"
)

// wholeFlow is a flow as the API tells it.
type wholeFlow struct {
	Solar, Battery, Car, Grid, House *int
	FromSun, FromBattery, FromGrid   int
}

func flowAt(t *testing.T, snap hub.Snapshot) wholeFlow {
	t.Helper()
	body, err := json.Marshal(webui.FlowOf(snap))
	if err != nil {
		t.Fatal(err)
	}
	var raw struct {
		Solar       *int `json:"solar_w"`
		Battery     *int `json:"battery_w"`
		Car         *int `json:"car_w"`
		Grid        *int `json:"grid_w"`
		House       *int `json:"house_w"`
		FromSun     int  `json:"from_sun_pct"`
		FromBattery int  `json:"from_battery_pct"`
		FromGrid    int  `json:"from_grid_pct"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		t.Fatal(err)
	}
	return wholeFlow(raw)
}

func moment(imp, exp, solar, battery, car hub.Watt) hub.Snapshot {
	device := func(role hub.Role, w hub.Watt) hub.DeviceState {
		return hub.DeviceState{Device: hub.Device{ID: string(role), Role: role}, Has: hub.ReportPower, Online: true, Watts: w}
	}
	return hub.Snapshot{
		HasReading: true, Reading: hub.Reading{Has: hub.HasImport, Import: imp, Export: exp}, Solar: solar, HasSolar: true,
		Devices: []hub.DeviceState{device(hub.RoleBattery, battery), device(hub.RoleCharger, car)},
	}
}

func TestFlow(t *testing.T) {
	for _, test := range []struct {
		name                           string
		imp, exp, solar, battery, car  hub.Watt
		house, sun, fromBattery, fromG int
	}{
		{"grid only", 500, 0, 0, 0, 0, 500, 0, 0, 100},
		{"sun covers half", 500, 0, 500, 0, 0, 1000, 50, 0, 50},
		{"sun to the grid", 0, 900, 1500, 0, 0, 600, 100, 0, 0},
		{"sun into the battery and the car", 0, 100, 5000, 2000, 1400, 1500, 100, 0, 0},
		{"battery carries the night", 0, 0, 0, -800, 0, 800, 0, 100, 0},
		{"battery and grid carry the car", 3000, 0, 0, -1000, 3600, 400, 0, 25, 75},
		{"battery charges from the grid", 2500, 0, 0, 2000, 0, 500, 0, 0, 100},
		{"all of them", 300, 0, 400, -300, 200, 800, 40, 30, 30},
		{"nothing at all", 0, 0, 0, 0, 0, 0, 0, 0, 0},
		{"readings that do not fit", 0, 900, 500, 0, 0, 0, 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := flowAt(t, moment(test.imp, test.exp, test.solar, test.battery, test.car))
			if *f.House != test.house || f.FromSun != test.sun || f.FromBattery != test.fromBattery || f.FromGrid != test.fromG {
				t.Errorf("house %d W, sun %d %%, battery %d %%, grid %d %%", *f.House, f.FromSun, f.FromBattery, f.FromGrid)
			}
		})
	}
}

// What comes in equals what goes out, and the shares make a whole.
func TestFlowAddsUp(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		solar, battery, house, car := hub.Watt(r.IntN(6000)), hub.Watt(r.IntN(6000)-3000), hub.Watt(r.IntN(4000)), hub.Watt(r.IntN(2)*r.IntN(11000))
		net := house + car + battery - solar
		f := flowAt(t, moment(max(0, net), max(0, -net), solar, battery, car))
		if *f.Solar+*f.Grid != *f.House+*f.Car+*f.Battery {
			t.Fatalf("%+v does not add up", f)
		}
		if sum := f.FromSun + f.FromBattery + f.FromGrid; sum != 100 && house+car > 0 || min(f.FromSun, f.FromBattery, f.FromGrid) < 0 {
			t.Fatalf("shares %d, %d and %d of %d W", f.FromSun, f.FromBattery, f.FromGrid, house+car)
		}
	}
}

func TestFlowUnknown(t *testing.T) {
	f := flowAt(t, hub.Snapshot{})
	if f.Solar != nil || f.Battery != nil || f.Car != nil || f.Grid != nil || f.House != nil {
		t.Errorf("nothing is known, but %+v", f)
	}
	gone := moment(500, 0, 0, 700, 0)
	gone.Devices[0].Online = false
	if f := flowAt(t, gone); f.Battery != nil || *f.House != 500 {
		t.Errorf("a battery that is gone counts: %+v", f)
	}
}
