package webui

import (
	"fmt"

	"homehub/hub"
)

// flow is what goes where in the house at one moment, in W: from sun, battery
// and grid to the house, its cars, the battery and the grid. What comes in
// equals what goes out.
type flow struct {
	Solar   *hub.Watt `json:"solar_w"`   // null: no solar device speaks
	Battery *hub.Watt `json:"battery_w"` // above 0 it is charged; null: no battery speaks
	Car     *hub.Watt `json:"car_w"`     // of all chargers; null: none speaks
	Grid    *hub.Watt `json:"grid_w"`    // above 0 from the grid; null: the meter did not say
	House   *hub.Watt `json:"house_w"`   // what is left: the house without its cars
	// The sources of what house and cars use, in %: 100 in all, or 0 while
	// nothing is used.
	FromSun     int `json:"from_sun_pct"`
	FromBattery int `json:"from_battery_pct"`
	FromGrid    int `json:"from_grid_pct"`
}

// flowOf works out the flow. Sun is used before battery, and battery before
// grid: that is how current runs when the meter counts what crosses it.
func flowOf(snap hub.Snapshot) flow {
	var f flow
	f.Solar = given(snap.Solar, snap.HasSolar)
	f.Battery = powerOf(snap, hub.RoleBattery)
	f.Car = powerOf(snap, hub.RoleCharger)
	if !snap.HasReading || snap.Reading.Has&hub.HasImport == 0 {
		return f
	}
	net := snap.Reading.Net()
	sun, battery, car := value(f.Solar), value(f.Battery), max(0, value(f.Car))
	// Meter and devices are not read at the same instant, so the sum can dip
	// below zero for a moment; a house never does.
	used := max(0, net+sun-battery)
	house := max(0, used-car)
	f.Grid, f.House = &net, &house
	if used == 0 {
		return f
	}
	own := min(used, max(0, sun))
	stored := min(used-own, max(0, -battery))
	f.FromSun = int((int64(own)*100 + int64(used)/2) / int64(used))
	f.FromBattery = min(100-f.FromSun, int((int64(stored)*100+int64(used)/2)/int64(used)))
	f.FromGrid = 100 - f.FromSun - f.FromBattery
	return f
}

// powerOf is what the devices of a role draw together, nil if none speaks.
func powerOf(snap hub.Snapshot, role hub.Role) *hub.Watt {
	var sum hub.Watt
	some := false
	for _, d := range snap.Devices {
		if d.Role == role && d.Online && d.Has&hub.ReportPower != 0 {
			sum += d.Watts
			some = true
		}
	}
	return given(sum, some)
}

func value(w *hub.Watt) hub.Watt {
	if w == nil {
		return 0
	}
	return *w
}

// flowView is the flow as a picture: a house with its neighbours around it.
type flowView struct {
	Text   string // all of it in words
	Nodes  []flowNode
	Known  bool // there is a meter that says something
	Shares []share
	High   int // of the picture
}

// flowNode is one neighbour of the house, or the house.
type flowNode struct {
	Class, Name, Watts string
	X, Y               int
	Wire               string // path to the house, "" for the house
	Arrow              string // where its arrow is, as a transform
	Dir                string // in: to the house, out: away from it, "": nothing flows
}

// share is a source and its part of what is used now, in %.
type share struct {
	Class, Name, Text string
	X, Percent        int
}

// Where the house is in the picture, and how far its neighbours are off.
const (
	flowX, flowY = drawWidth / 2, 142
	flowFar      = 122
	flowUp       = 104
)

func (l locale) flowView(f flow) flowView {
	v := flowView{Known: f.Grid != nil, High: flowY + 40}
	node := func(class string, x, y, turn int, w *hub.Watt, toHouse bool) {
		n := flowNode{Class: class, Name: l.T(class), Watts: l.T("unknown"), X: x, Y: y}
		n.Wire = fmt.Sprintf("M%d %dL%d %d", x, y, flowX, flowY)
		n.Arrow = fmt.Sprintf("translate(%d %d) rotate(%d)", (x+flowX)/2, (y+flowY)/2, turn)
		if w != nil {
			n.Watts = l.watt(max(*w, -*w)) + " W"
			n.Dir = flowDir(*w, toHouse)
		}
		v.Nodes = append(v.Nodes, n)
		v.Text += l.flowText(n) + " "
	}
	node("sun", flowX, flowY-flowUp, 90, f.Solar, true)
	node("grid", flowX-flowFar, flowY, 0, f.Grid, true)
	if f.Battery != nil {
		node("battery", flowX, flowY+flowUp, 270, f.Battery, false)
		v.High = flowY + flowUp + 40
	}
	if f.Car != nil {
		node("car", flowX+flowFar, flowY, 180, f.Car, false)
	}
	house := flowNode{Class: "house", Name: l.T("house"), Watts: l.T("unknown"), X: flowX, Y: flowY}
	if f.House != nil {
		house.Watts = l.watt(*f.House) + " W"
	}
	v.Nodes = append(v.Nodes, house)
	v.Text += l.flowText(house)
	v.Shares = l.shares(f)
	return v
}

// flowText is a node in words. What the sun gives and a car takes needs no
// word for its direction.
func (l locale) flowText(n flowNode) string {
	if n.Dir == "" || n.Class != "grid" && n.Class != "battery" {
		return l.T("flow.part", n.Name, n.Watts)
	}
	return l.T("flow.way", n.Name, n.Watts, l.T("flow."+n.Class+n.Dir))
}

// flowDir is the direction of a wire. The sun and the grid count what they
// give as above 0, the others what they take.
func flowDir(w hub.Watt, gives bool) string {
	switch {
	case w == 0:
		return ""
	case (w > 0) == gives:
		return "in"
	}
	return "out"
}

func (l locale) shares(f flow) []share {
	list := []share{{Class: "sun", Percent: f.FromSun}, {Class: "battery", Percent: f.FromBattery}, {Class: "grid", Percent: f.FromGrid}}
	if f.Battery == nil {
		list = append(list[:1], list[2])
	}
	x := 0
	for i := range list {
		s := &list[i]
		s.X, s.Name, s.Text = x, l.T("share."+s.Class), l.T("percent", s.Percent)
		x += s.Percent
	}
	return list
}
