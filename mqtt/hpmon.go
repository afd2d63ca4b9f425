package mqtt

import (
	"math"
	"strconv"
	"time"

	"homehub/hub"
)

const defaultFlowC = 35 // °C, of a floor heating

// hpMon drives EmonESP's heat pump monitor: a plug whose control voltage sets
// the heat pump's flow temperature.
type hpMon struct{ emonESP }

// tell sets the control voltage before it switches on. The firmware's own
// in/flowT is not used: it cuts the temperature to whole degrees before it
// divides, and so asks for less than it is told.
func (h *hpMon) tell(c hub.Command, now time.Time) []message {
	messages := h.emonESP.tell(c, now)
	if !c.On {
		return messages
	}
	flow := h.device.FlowC
	if flow == 0 {
		flow = defaultFlowC
	}
	volts := message{topic: h.device.Topic + h.node + "/in/vout", payload: []byte(strconv.Itoa(flowCounts(flow)))}
	return append([]message{volts}, messages...)
}

// flowCounts is a flow temperature in °C as counts of the monitor's converter,
// by the line that its maker measured.
func flowCounts(celsius int) int {
	return int(math.Round((float64(celsius) - 7.14) / 0.0371))
}
