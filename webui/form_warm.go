package webui

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

// whenKeep is the choice of the editor that keeps a temperature. It is none of
// hub.When: the schedule's band says so.
const whenKeep = "keep"

// warmForm is the part of the editor for a temperature that is kept.
type warmForm struct {
	locale
	Low, High      string
	From, To, Away string
	Weekly, Litres string
	More           bool // one of the rarer ones is filled
	Sensors        []choice
}

// warmForm offers to keep a temperature to what is switched and measured, by
// itself or by one of the other devices; nil where nothing measures.
func (l locale) warmForm(d hub.DeviceState, devices []hub.DeviceState) *warmForm {
	if d.Role != hub.RolePlug {
		return nil
	}
	f := &warmForm{locale: l}
	if d.Has&hub.ReportTemp != 0 || d.TempOf == "" && d.Schedule.Keeps() {
		f.Sensors = append(f.Sensors, choice{"", l.T("warm.own"), d.TempOf == ""})
	}
	for _, other := range devices {
		if other.ID != d.ID && other.Has&hub.ReportTemp != 0 || other.ID == d.TempOf {
			f.Sensors = append(f.Sensors, choice{other.ID, other.Name, other.ID == d.TempOf})
		}
	}
	if len(f.Sensors) == 0 {
		return nil
	}
	keep := hub.Band{Low: hub.Degrees(50), High: hub.Degrees(65)}
	if temp, _, ok := hub.Warmth(devices, &d); ok && temp < hub.Degrees(30) && d.Litres == 0 {
		keep = hub.Band{Low: hub.Degrees(20), High: hub.Degrees(22)} // a room
	}
	if d.Schedule.Keeps() {
		keep = d.Schedule.Keep
	}
	f.Low, f.High = l.degrees(keep.Low), l.degrees(keep.High)
	if !keep.AllDay() {
		f.From, f.To, f.Away = keep.From.String(), keep.To.String(), l.degrees(keep.Away)
	}
	if keep.Weekly != 0 {
		f.Weekly = l.degrees(keep.Weekly)
	}
	if d.Litres != 0 {
		f.Litres = strconv.Itoa(d.Litres)
	}
	f.More = f.From+f.Weekly+f.Litres != ""
	return f
}

// offerKeep adds the choice to keep a temperature, where there is one.
func (f *scheduleForm) offerKeep(chosen bool) {
	if f.Warm == nil {
		return
	}
	for i := range f.Whens {
		f.Whens[i].On = f.Whens[i].On && !chosen
	}
	f.Whens = append(f.Whens, choice{whenKeep, f.T("begin." + whenKeep), chosen})
}

// degrees is a temperature with no more digits than it has.
func (l locale) degrees(m hub.MilliCelsius) string {
	return trimNumber(l.number(m.Celsius(), 1), l.T("sign.decimal"))
}

// warmth is how warm what a device heats is, and since when that is known; ""
// if nobody says it.
func (l locale) warmth(d hub.DeviceState, devices []hub.DeviceState, now time.Time) string {
	temp, at, ok := hub.Warmth(devices, &d)
	if at.IsZero() {
		return ""
	}
	text := l.T("warm.now", l.number(temp.Celsius(), 1), l.near(at.In(now.Location()), now))
	if !ok {
		text += " · " + l.T("warm.gone")
	}
	return text
}

// keeps is a band in words.
func (l locale) keeps(s *hub.Schedule) string {
	k := s.Keep
	text := l.T("wish.keep", l.degrees(k.Low), l.degrees(k.High))
	if !k.AllDay() {
		days := ""
		if s.Days != 0 {
			days = ", " + l.days(s.Days)
		}
		text = l.T("wish.keep.hours", text, k.From, k.To, days, l.degrees(k.Away))
	}
	if k.Weekly != 0 {
		text += ". " + l.T("wish.keep.weekly", l.degrees(k.Weekly))
	}
	return text
}

// readKeep reads the temperatures of the editor into s.
func readKeep(s *hub.Schedule, form url.Values) error {
	for _, field := range []struct {
		name, key string
		to        *hub.MilliCelsius
		must      bool
	}{
		{"low", "low_c", &s.Keep.Low, true},
		{"high", "high_c", &s.Keep.High, true},
		{"away", "away_c", &s.Keep.Away, false},
		{"weekly", "weekly_c", &s.Keep.Weekly, false},
	} {
		text := strings.TrimSpace(form.Get(field.name))
		if text == "" && !field.must {
			continue
		}
		var ok bool
		if *field.to, ok = hub.ParseCelsius(text); !ok {
			return hub.FieldErrorf(field.key, "%q is not a temperature in °C", text)
		}
	}
	for name, to := range map[string]*hub.LocalTime{"from": &s.Keep.From, "to": &s.Keep.To} {
		text := strings.TrimSpace(form.Get(name))
		if text == "" {
			continue
		}
		if err := to.UnmarshalText([]byte(text)); err != nil {
			return err
		}
	}
	if s.Keep.AllDay() {
		s.Days = 0
	}
	return nil
}

// readHeater reads what the editor says of the device itself: what measures it,
// and how much water it heats.
func (s *Server) readHeater(d *hub.Device, form url.Values) error {
	if form.Get("when") != whenKeep {
		return nil
	}
	d.TempOf = form.Get("temperature_of")
	if err := s.checkSensor(d.TempOf); err != nil {
		return err
	}
	if text := strings.TrimSpace(form.Get("litres")); text != "" || form.Has("litres") {
		n, err := strconv.Atoi("0" + text)
		if err != nil {
			return hub.FieldErrorf("litres", "%q is not a whole number of litres", text)
		}
		d.Litres = n
	}
	return nil
}

// refilled is the part with what was sent.
func (f *warmForm) refilled(form url.Values) *warmForm {
	if f == nil {
		return nil
	}
	out := *f
	out.Low, out.High, out.Away, out.Weekly = form.Get("low"), form.Get("high"), form.Get("away"), form.Get("weekly")
	out.From, out.To, out.Litres = form.Get("from"), form.Get("to"), form.Get("litres")
	out.More = out.From+out.To+out.Away+out.Weekly+out.Litres != ""
	out.Sensors = nil
	for _, s := range f.Sensors {
		out.Sensors = append(out.Sensors, choice{s.Value, s.Text, s.Value == form.Get("temperature_of")})
	}
	return &out
}
