package hub

import (
	"context"
	"time"
)

// MaxLease is the longest lease a command may have. If the hub dies, what it
// switched on is off again within this time.
const MaxLease = 15 * time.Minute

// Command tells a device to be on or off. Every on is a lease: it says when
// it ends, and is renewed for as long as it is wanted.
type Command struct {
	Device string `json:"device"`
	On     bool   `json:"on"`
	Amps   int    `json:"amps,omitempty"`   // charger: current to charge with
	Phases int    `json:"phases,omitempty"` // charger that can switch them: 1 or 3; 0 leaves them
	// Setpoint is the power of a battery or a variable load: above 0 it
	// takes, below 0 it gives.
	Setpoint Watt      `json:"setpoint_w,omitempty"`
	Until    time.Time `json:"until,omitzero"` // end of the lease; must be set when On
	Cause    string    `json:"cause"`          // why, for people
	At       time.Time `json:"at"`             // when it was given; hub.Do fills it
}

// Same says whether o asks a device for the same as c, leases and causes
// apart.
func (c Command) Same(o Command) bool {
	return c.On == o.On && c.Amps == o.Amps && c.Phases == o.Phases && c.Setpoint == o.Setpoint
}

// Actuator carries a command to the devices of one family. It returns when
// the command is handed over, not when the device did it: that is a Report.
type Actuator interface {
	Actuate(ctx context.Context, d Device, c Command) error
}

// ReportHas says which fields of a Report the device sent.
type ReportHas uint16

// The fields of a Report.
const (
	ReportOnline ReportHas = 1 << iota
	ReportOn
	ReportAmps
	ReportPower
	ReportEnergy
	ReportPlugged
	ReportPhases
	ReportSoC
	ReportTemp
)

// Report is what a device says of itself. Commanded is not confirmed: only a
// Report confirms.
type Report struct {
	Device  string
	At      time.Time
	Has     ReportHas
	Online  bool
	On      bool
	Amps    int
	Power   Watt
	Energy  WattHour     // a counter that only rises, or restarts at a reboot
	Plugged bool         // charger: a car is connected
	Phases  int          // charger: phases in use, 1 or 3
	SoC     int          // state of charge of the battery or the car, 0 to 100 %
	Temp    MilliCelsius // what its thermometer shows
}

// DeviceState is a device with what was asked of it and what it says.
type DeviceState struct {
	Device
	Has       ReportHas // which of the following the device ever reported
	Online    bool
	On        bool // confirmed by the device
	Amps      int
	Watts     Watt
	Counter   WattHour
	Plugged   bool
	PhasesOn  int          // phases in use, as reported; Phases is what is wired
	SoC       int          // state of charge, 0 to 100 %
	Temp      MilliCelsius // what its thermometer shows
	TempAt    time.Time    // when it said so
	Seen      time.Time    // last report
	Commanded Command      // last command; zero before the first
	Tries     int          // how often it was sent without being confirmed
	Mismatch  bool         // the device did not follow in spite of retries
}

// Confirmed says whether the device does what it was last told.
func (s DeviceState) Confirmed() bool {
	return !s.Commanded.At.IsZero() && s.Has&ReportOn != 0 && s.On == s.Commanded.On
}
