package dsmr

import (
	"strconv"
	"time"

	"homehub/hub"
)

// Standard is the form of a telegram.
type Standard uint8

// The standards that Encode can write.
const (
	DSMR22     Standard = iota + 1 // Netherlands, 10 W resolution, no clock, no checksum
	DSMR30                         // the same with its limiter in A
	DSMR40                         // first with clock and checksum
	DSMR42                         // Netherlands, every 10 s
	DSMR50                         // Netherlands, every second, voltages
	EMUCS                          // Belgium, e-MUCS P1 1.7, quarter-hour demand
	Luxembourg                     // Luxmetering E-Meter P1 1.1.3, one tariff
	Swedish                        // H1, one tariff, winter time all year
	Austrian                       // whole Wh and W
)

// Standards are all that Encode can write.
func Standards() []Standard {
	return []Standard{DSMR22, DSMR30, DSMR40, DSMR42, DSMR50, EMUCS, Luxembourg, Swedish, Austrian}
}

// String is the standard's name.
func (s Standard) String() string {
	names := [...]string{"", "DSMR 2.2", "DSMR 3.0", "DSMR 4.0", "DSMR 4.2", "DSMR 5.0", "e-MUCS", "Luxembourg", "Swedish H1", "Austria"}
	if int(s) < len(names) && s != 0 {
		return names[s]
	}
	return "unknown"
}

// Encoding is what a telegram is made of.
type Encoding struct {
	Standard    Standard
	Reading     hub.Reading    // fields that Has leaves out are not sent, registers and powers always
	EquipmentID string         // of the electricity meter, plain text
	GasID       string         // of the gas meter, plain text
	Text        string         // message of the grid operator, plain text
	Zone        *time.Location // where the meter is; Europe/Amsterdam if nil
}

// encoder appends one telegram to b.
type encoder struct {
	b    []byte
	e    Encoding
	zone zone
}

// Encode appends a telegram with a correct checksum, where its standard has
// one, to dst. Values are rounded to the standard's resolution. It allocates
// only where dst has no room; 2,048 bytes are enough without a Text.
func Encode(dst []byte, e Encoding) []byte {
	from := len(dst)
	w := encoder{b: dst, e: e, zone: Config{Zone: e.Zone}.zone()}
	w.header()
	switch e.Standard {
	case DSMR22, DSMR30:
		w.dutch2()
		w.text("!\r\n")
		return w.b
	case EMUCS:
		w.belgian()
	case Luxembourg:
		w.luxembourg()
	case Swedish:
		w.swedish()
	case Austrian:
		w.austrian()
	default:
		w.dutch()
	}
	w.text("!")
	const digits = "0123456789ABCDEF"
	crc := crc16(0, w.b[from:])
	w.b = append(w.b, digits[crc>>12], digits[crc>>8&15], digits[crc>>4&15], digits[crc&15])
	w.text("\r\n")
	return w.b
}

func (w *encoder) header() {
	switch w.e.Standard {
	case DSMR22, DSMR30:
		w.text("/ISk5\\2HOMEHUB-30\r\n\r\n")
	case DSMR40, DSMR42:
		w.text("/KFM5HOMEHUB-42\r\n\r\n")
	case EMUCS:
		w.text("/FLU5\\HOMEHUB_A\r\n\r\n")
	case Luxembourg:
		w.text("/Lux5\\HOMEHUB_M\r\n\r\n")
	case Swedish:
		w.text("/ELL5\\HOMEHUB_A\r\n\r\n")
	case Austrian:
		w.text("/EST5\\HOMEHUB_A\r\n\r\n")
	default:
		w.text("/Ene5\\HOMEHUB ESMR 5.0\r\n\r\n")
	}
}

// dutch2 writes DSMR 2.2 and 3.0.
func (w *encoder) dutch2() {
	r := &w.e.Reading
	w.hexObject("0-0:96.1.1", w.e.EquipmentID)
	w.registers(w.dutch2Width())
	w.tariff()
	if w.e.Standard == DSMR22 {
		w.number("1-0:1.7.0", (int64(r.Import)+5)/10, 2, 4, "kW")
		w.number("1-0:2.7.0", (int64(r.Export)+5)/10, 2, 4, "kW")
		w.text("0-0:17.0.0(0999.00*kW)\r\n")
	} else {
		w.number("1-0:1.7.0", (int64(r.Import)+5)/10, 2, 3, "kW")
		w.number("1-0:2.7.0", (int64(r.Export)+5)/10, 2, 3, "kW")
		w.text("0-0:17.0.0(999*A)\r\n")
	}
	w.text("0-0:96.3.10(1)\r\n0-0:96.13.1()\r\n")
	w.hexObject("0-0:96.13.0", w.e.Text)
	if r.Has&hub.HasGas == 0 {
		return
	}
	w.text("0-1:24.1.0(3)\r\n")
	w.hexObject("0-1:96.1.0", w.e.GasID)
	w.text("0-1:24.3.0(")
	at := r.GasAt.In(w.zone.location)
	_, offset := at.Zone()
	w.stamp(at.Unix() + int64(offset))
	w.text(")(00)(60)(1)(0-1:24.2.1)(m3)\r\n(")
	w.decimal(r.Gas, 3, 5)
	w.text(")\r\n0-1:24.4.0(1)\r\n")
}

// dutch2Width is the five digits of DSMR 2's registers, or more for all of
// them where one needs more: they have one form.
func (w *encoder) dutch2Width() int {
	r := &w.e.Reading.Registers
	width := 5
	for most := max(r.ImportT1, r.ImportT2, r.ExportT1, r.ExportT2); most >= 100_000_000; most /= 10 {
		width++
	}
	return width
}

// dutch writes DSMR 4 and 5.
func (w *encoder) dutch() {
	switch w.e.Standard {
	case DSMR40:
		w.text("1-3:0.2.8(40)\r\n")
	case DSMR42:
		w.text("1-3:0.2.8(42)\r\n")
	default:
		w.text("1-3:0.2.8(50)\r\n")
	}
	w.clock()
	w.hexObject("0-0:96.1.1", w.e.EquipmentID)
	w.registers(6)
	w.tariff()
	w.powers(2)
	w.text("0-0:96.7.21(00000)\r\n0-0:96.7.9(00000)\r\n1-0:99.97.0(0)(0-0:96.7.19)\r\n1-0:32.32.0(00000)\r\n1-0:32.36.0(00000)\r\n")
	if w.e.Standard != DSMR50 {
		w.text("0-0:96.13.1()\r\n")
	}
	w.hexObject("0-0:96.13.0", w.e.Text)
	if w.e.Standard == DSMR50 {
		w.voltages()
	}
	w.currents(1000, 0)
	w.phasePowers(2)
	w.gas("0-1:24.2.1", "0-1:96.1.0")
}

func (w *encoder) belgian() {
	r := &w.e.Reading
	w.text("0-0:96.1.4(50217)\r\n")
	w.hexObject("0-0:96.1.1", w.e.EquipmentID)
	w.clock()
	w.registers(6)
	w.tariff()
	if r.Has&hub.HasQuarter != 0 {
		w.number("1-0:1.4.0", int64(r.Quarter), 3, 2, "kW")
	}
	if r.Has&hub.HasMonthPeak != 0 {
		w.text("1-0:1.6.0(")
		w.time(r.MonthPeakAt)
		w.text(")(")
		w.decimal(int64(r.MonthPeak), 3, 2)
		w.text("*kW)\r\n0-0:98.1.0(0)(1-0:1.6.0)(1-0:1.6.0)\r\n")
	}
	w.powers(2)
	w.phasePowers(2)
	w.voltages()
	w.currents(10, 2)
	w.text("0-0:96.3.10(1)\r\n0-0:17.0.0(999.9*kW)\r\n1-0:31.4.0(999*A)\r\n")
	w.hexObject("0-0:96.13.0", w.e.Text)
	w.gas("0-1:24.2.3", "0-1:96.1.1")
}

func (w *encoder) luxembourg() {
	w.text("1-3:0.2.8(42)\r\n")
	w.clock()
	w.hexObject("0-0:42.0.0", w.e.EquipmentID)
	w.totals(6, 3, "kWh")
	w.powers(2)
	w.text("0-0:17.0.0(069.0*kVA)\r\n1-1:31.4.0(100*A)(-063*A)\r\n0-0:96.3.10(1)\r\n")
	w.hexObject("0-0:96.13.0", w.e.Text)
	w.voltages()
	w.currents(1000, 0)
	w.phasePowers(2)
	w.gas("0-1:24.2.1", "0-1:96.1.0")
}

func (w *encoder) swedish() {
	w.clock()
	w.totals(8, 3, "kWh")
	w.powers(4)
	w.phasePowers(4)
	w.voltages()
	w.currents(100, 1)
}

func (w *encoder) austrian() {
	r := &w.e.Reading
	w.text("1-3:0.2.8(50)\r\n")
	w.clock()
	w.totals(9, 0, "Wh")
	w.number("1-0:1.8.1", int64(r.ImportT1), 0, 9, "Wh")
	w.number("1-0:1.8.2", int64(r.ImportT2), 0, 9, "Wh")
	w.number("1-0:1.7.0", int64(r.Import), 0, 9, "W")
	w.number("1-0:2.8.1", int64(r.ExportT1), 0, 9, "Wh")
	w.number("1-0:2.8.2", int64(r.ExportT2), 0, 9, "Wh")
	w.number("1-0:2.7.0", int64(r.Export), 0, 9, "W")
}

func (w *encoder) registers(width int) {
	r := &w.e.Reading
	w.number("1-0:1.8.1", int64(r.ImportT1), 3, width, "kWh")
	w.number("1-0:1.8.2", int64(r.ImportT2), 3, width, "kWh")
	w.number("1-0:2.8.1", int64(r.ExportT1), 3, width, "kWh")
	w.number("1-0:2.8.2", int64(r.ExportT2), 3, width, "kWh")
}

// totals writes the registers of a meter that has one tariff.
func (w *encoder) totals(width, scale int, unit string) {
	r := &w.e.Reading
	w.number("1-0:1.8.0", int64(r.Registers.Import()), scale, width, unit)
	w.number("1-0:2.8.0", int64(r.Registers.Export()), scale, width, unit)
}

func (w *encoder) powers(width int) {
	w.number("1-0:1.7.0", int64(w.e.Reading.Import), 3, width, "kW")
	w.number("1-0:2.7.0", int64(w.e.Reading.Export), 3, width, "kW")
}

func (w *encoder) tariff() {
	if w.e.Reading.Has&hub.HasTariff != 0 {
		w.number("0-0:96.14.0", int64(w.e.Reading.Tariff), 0, 4, "")
	}
}

func (w *encoder) phases() []hub.Phase {
	r := &w.e.Reading
	return r.Phases[:min(int(r.PhaseCount), len(r.Phases))]
}

func (w *encoder) phasePowers(width int) {
	if w.e.Reading.Has&hub.HasPhasePower == 0 {
		return
	}
	imports := [...]string{"1-0:21.7.0", "1-0:41.7.0", "1-0:61.7.0"}
	exports := [...]string{"1-0:22.7.0", "1-0:42.7.0", "1-0:62.7.0"}
	for i, p := range w.phases() {
		w.number(imports[i], int64(p.Import), 3, width, "kW")
	}
	for i, p := range w.phases() {
		w.number(exports[i], int64(p.Export), 3, width, "kW")
	}
}

func (w *encoder) voltages() {
	if w.e.Reading.Has&hub.HasVoltage == 0 {
		return
	}
	codes := [...]string{"1-0:32.7.0", "1-0:52.7.0", "1-0:72.7.0"}
	for i, p := range w.phases() {
		w.number(codes[i], int64(p.Voltage), 1, 3, "V")
	}
}

// currents writes currents in steps of so many mA.
func (w *encoder) currents(step int64, scale int) {
	if w.e.Reading.Has&hub.HasCurrent == 0 {
		return
	}
	codes := [...]string{"1-0:31.7.0", "1-0:51.7.0", "1-0:71.7.0"}
	for i, p := range w.phases() {
		w.number(codes[i], (int64(p.Current)+step/2)/step, scale, 3, "A")
	}
}

func (w *encoder) gas(code, id string) {
	r := &w.e.Reading
	if r.Has&hub.HasGas == 0 {
		return
	}
	w.text("0-1:24.1.0(003)\r\n")
	w.hexObject(id, w.e.GasID)
	w.text(code)
	w.text("(")
	w.time(r.GasAt)
	w.text(")(")
	w.decimal(r.Gas, 3, 5)
	w.text("*m3)\r\n")
}

func (w *encoder) clock() {
	w.text("0-0:1.0.0(")
	w.time(w.e.Reading.At)
	w.text(")\r\n")
}

// time writes an instant with its suffix. A time that is not known is what
// meters send then.
func (w *encoder) time(at time.Time) {
	if at.IsZero() {
		w.text("632525252525W")
		return
	}
	_, offset := at.In(w.zone.location).Zone()
	if int64(offset) == w.zone.base || w.e.Standard == Swedish {
		w.stamp(at.Unix() + w.zone.base)
		w.text("W")
		return
	}
	w.stamp(at.Unix() + w.zone.base + 3600)
	w.text("S")
}

// stamp writes a wall clock, given as seconds, as YYMMDDhhmmss.
func (w *encoder) stamp(local int64) {
	wall := time.Unix(local, 0).UTC()
	y, m, d := wall.Date()
	for _, v := range [...]int{y % 100, int(m), d, wall.Hour(), wall.Minute(), wall.Second()} {
		w.b = append(w.b, byte('0'+v/10), byte('0'+v%10))
	}
}

// number writes code(value*unit) with scale digits after the point and at
// least width before it.
func (w *encoder) number(code string, value int64, scale, width int, unit string) {
	w.text(code)
	w.text("(")
	w.decimal(value, scale, width)
	if unit != "" {
		w.text("*")
		w.text(unit)
	}
	w.text(")\r\n")
}

func (w *encoder) decimal(value int64, scale, width int) {
	var buf [24]byte
	s := strconv.AppendInt(buf[:0], max(0, value), 10)
	for n := len(s); n < width+scale; n++ {
		w.b = append(w.b, '0')
	}
	w.b = append(w.b, s...)
	if scale == 0 {
		return
	}
	w.b = append(w.b, 0)
	point := len(w.b) - 1 - scale
	copy(w.b[point+1:], w.b[point:])
	w.b[point] = '.'
}

// hexObject writes text as hexadecimal digits.
func (w *encoder) hexObject(code, text string) {
	const digits = "0123456789ABCDEF"
	w.text(code)
	w.text("(")
	for i := range len(text) {
		w.b = append(w.b, digits[text[i]>>4], digits[text[i]&15])
	}
	w.text(")\r\n")
}

func (w *encoder) text(s string) { w.b = append(w.b, s...) }
