package sim

import (
	"bytes"
	"encoding/json"
	"time"

	"homehub/hub"
)

// truth is the house's own record, against which a hub's can be held: a line
// of JSON for every switch of the plug and the charger, and one with the
// counters for every full minute. It gathers lines under the house's lock;
// whoever drives the house writes them out without it.
type truth struct {
	on    bool
	lines bytes.Buffer
}

type switchLine struct {
	At     time.Time `json:"at"`
	Device string    `json:"device"` // plug or car
	On     bool      `json:"on"`     // car: the charger lets it charge
	Amps   int       `json:"amps"`
}

type minuteLine struct {
	At       time.Time    `json:"at"`
	ImportT1 hub.WattHour `json:"import_t1_wh"`
	ImportT2 hub.WattHour `json:"import_t2_wh"`
	ExportT1 hub.WattHour `json:"export_t1_wh"`
	ExportT2 hub.WattHour `json:"export_t2_wh"`
	Solar    hub.WattHour `json:"solar_wh"`
	Plug     hub.WattHour `json:"plug_wh"`
	Car      hub.WattHour `json:"car_wh"`
}

func (r *truth) switched(t int64, device string, on bool, amps int) {
	if r.on {
		r.line(switchLine{time.Unix(t, 0).UTC(), device, on, amps})
	}
}

func (r *truth) minute(h *House) {
	if !r.on || h.t%60 != 0 {
		return
	}
	regs := h.registers()
	r.line(minuteLine{
		time.Unix(h.t, 0).UTC(), regs.ImportT1, regs.ImportT2, regs.ExportT1, regs.ExportT2,
		h.solar.wattHours(), h.plug.wattHours(), h.charger.total.wattHours(),
	})
}

func (r *truth) line(v any) {
	b, _ := json.Marshal(v) // structs of plain values always marshal
	r.lines.Write(append(b, '\n'))
}

// keepTruth begins the record with how things are switched now.
func (h *House) keepTruth() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.truth.on = true
	h.truth.switched(h.t, "plug", h.flow.plugOn, 0)
	h.truth.switched(h.t, "car", h.flow.active, h.flow.amps)
}

// takeTruth hands out the lines gathered since the last call, in dst's memory.
func (h *House) takeTruth(dst []byte) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	dst = append(dst[:0], h.truth.lines.Bytes()...)
	h.truth.lines.Reset()
	return dst
}
