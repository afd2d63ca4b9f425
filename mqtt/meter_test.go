package mqtt

import (
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"homehub/hub"
)

func TestAmount(t *testing.T) {
	for _, c := range []struct {
		name string
		kind quantity
		unit string
		text string
		want int64
		bad  bool
	}{
		{name: "W is the default", kind: quantityPower, unit: "W", text: "378", want: 378},
		{name: "kW", kind: quantityPower, unit: "kW", text: "0.378", want: 378},
		{name: "as in a telegram", kind: quantityPower, unit: "W", text: "000.378*kW", want: 378},
		{name: "the payload's own unit wins", kind: quantityPower, unit: "kW", text: "378 W", want: 378},
		{name: "its unit without a space", kind: quantityPower, unit: "W", text: "-1.5kW", want: -1500},
		{name: "spaces around", kind: quantityPower, unit: "W", text: " 12 \r\n", want: 12},
		{name: "half up", kind: quantityPower, unit: "W", text: "0.5", want: 1},
		{name: "half away from zero", kind: quantityPower, unit: "W", text: "-0.5", want: -1},
		{name: "just below half", kind: quantityPower, unit: "kW", text: "0.00049999999999999999999999", want: 0},
		{name: "float noise", kind: quantityPower, unit: "kW", text: "0.37799999117851257", want: 378},
		{name: "exponent", kind: quantityPower, unit: "W", text: "3.78e2", want: 378},
		{name: "negative exponent", kind: quantityPower, unit: "kW", text: "378E-3", want: 378},
		{name: "zero with a large exponent", kind: quantityPower, unit: "W", text: "0e999", want: 0},
		{name: "tiny", kind: quantityPower, unit: "W", text: "9e-999", want: 0},
		{name: "minus zero", kind: quantityPower, unit: "W", text: "-0", want: 0},
		{name: "plus", kind: quantityPower, unit: "W", text: "+7", want: 7},
		{name: "the most", kind: quantityPower, unit: "kW", text: "1000", want: 1_000_000},
		{name: "too much", kind: quantityPower, unit: "kW", text: "1000.001", bad: true},
		{name: "overflow", kind: quantityPower, unit: "W", text: "99999999999999999999", bad: true},
		{name: "overflow to a small number", kind: quantityPower, unit: "W", text: "18446744073709551617", bad: true},
		{name: "huge exponent", kind: quantityPower, unit: "W", text: "1e999", bad: true},
		{name: "exponent beyond int", kind: quantityPower, unit: "W", text: "1e99999999999999999999", bad: true},
		{name: "foreign unit", kind: quantityPower, unit: "W", text: "1 kWh", bad: true},
		{name: "unit in wrong letters", kind: quantityPower, unit: "W", text: "1 KW", bad: true},
		{name: "nothing", kind: quantityPower, unit: "W", text: "", bad: true},
		{name: "a sign alone", kind: quantityPower, unit: "W", text: "-", bad: true},
		{name: "no digit before the point", kind: quantityPower, unit: "W", text: ".5", bad: true},
		{name: "no digit behind it", kind: quantityPower, unit: "W", text: "5.", bad: true},
		{name: "comma", kind: quantityPower, unit: "W", text: "0,378", bad: true},
		{name: "two numbers", kind: quantityPower, unit: "W", text: "1 2", bad: true},
		{name: "star alone", kind: quantityPower, unit: "W", text: "1*", bad: true},
		{name: "nan", kind: quantityPower, unit: "W", text: "nan", bad: true},
		{name: "hexadecimal", kind: quantityPower, unit: "W", text: "0x10", bad: true},
		{name: "unavailable", kind: quantityPower, unit: "W", text: "unavailable", bad: true},
		{name: "too long", kind: quantityPower, unit: "W", text: strings.Repeat("0", 65), bad: true},
		{name: "kWh is the default", kind: quantityEnergy, unit: "kWh", text: "012345.678", want: 12_345_678},
		{name: "Wh", kind: quantityEnergy, unit: "Wh", text: "12345678", want: 12_345_678},
		{name: "a register of fifty years", kind: quantityEnergy, unit: "kWh", text: "999999999.999", want: 999_999_999_999},
		{name: "a register never falls below zero", kind: quantityEnergy, unit: "kWh", text: "-0.001", bad: true},
		{name: "A", kind: quantityCurrent, unit: "A", text: "1.73", want: 1730},
		{name: "mA", kind: quantityCurrent, unit: "mA", text: "1730", want: 1730},
		{name: "A in a payload", kind: quantityCurrent, unit: "mA", text: "2 A", want: 2000},
		{name: "V", kind: quantityVoltage, unit: "V", text: "229.95", want: 2300},
		{name: "V below zero", kind: quantityVoltage, unit: "V", text: "-230", bad: true},
		{name: "m3", kind: quantityVolume, unit: "m3", text: "1234.567", want: 1_234_567},
		{name: "m³", kind: quantityVolume, unit: "dm3", text: "1.5 m³", want: 1500},
		{name: "litres", kind: quantityVolume, unit: "l", text: "17", want: 17},
		{name: "tariff", kind: quantityTariff, unit: "", text: "0002", want: 2},
		{name: "tariff with a point", kind: quantityTariff, unit: "", text: "2.0", want: 2},
		{name: "half a tariff", kind: quantityTariff, unit: "", text: "1.5", bad: true},
		{name: "a small part of a tariff", kind: quantityTariff, unit: "", text: "5e-3", bad: true},
		{name: "tariff that is none", kind: quantityTariff, unit: "", text: "256", bad: true},
		{name: "tariff with a star", kind: quantityTariff, unit: "", text: "1*", bad: true},
		{name: "exponent that is no number's", kind: quantityPower, unit: "W", text: "0e1000", bad: true},
		{name: "a unit far away", kind: quantityPower, unit: "W", text: "1" + strings.Repeat(" ", 64) + "W", bad: true},
		{name: "tariff with a unit", kind: quantityTariff, unit: "", text: "1 W", bad: true},
		{name: "seconds", kind: quantityTime, unit: "", text: "1767225600", want: 1_767_225_600_000},
		{name: "seconds with a part", kind: quantityTime, unit: "", text: "1767225600.25", want: 1_767_225_600_250},
		{name: "RFC 3339", kind: quantityTime, unit: "", text: "2026-01-01T00:00:00Z", want: 1_767_225_600_000},
		{name: "RFC 3339 with an offset", kind: quantityTime, unit: "", text: "2026-01-01T01:00:00.5+01:00", want: 1_767_225_600_500},
		{name: "a clock that was never set", kind: quantityTime, unit: "", text: "3600", bad: true},
		{name: "milliseconds are no seconds", kind: quantityTime, unit: "", text: "1767225600000", bad: true},
		{name: "a date without a zone", kind: quantityTime, unit: "", text: "2026-01-01T00:00:00", bad: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			shift, ok := c.kind.unit(c.unit)
			if !ok {
				t.Fatalf("no unit %q", c.unit)
			}
			got, ok := c.kind.amount([]byte(c.text), shift)
			if ok == c.bad || ok && got != c.want {
				t.Errorf("%q is %d, %v; want %d, %v", c.text, got, ok, c.want, !c.bad)
			}
		})
	}
}

// Whatever is taken is what exact arithmetic makes of it.
func FuzzMeterAmount(f *testing.F) {
	for _, s := range []string{"0.378 kW", "000.378*kW", "-1.5e3", "9e-999", "0e999", "12345678901234567890", "0.0005", "1 m³", "2026-01-01T00:00:00Z"} {
		f.Add(byte(0), s)
		f.Add(byte(1), s)
	}
	f.Fuzz(func(t *testing.T, kind byte, text string) {
		q := quantity(int(kind) % len(quantities))
		shift := quantities[q].units[0].shift
		got, ok := q.amount([]byte(text), shift)
		if !ok {
			return
		}
		if got < quantities[q].min || got > quantities[q].max {
			t.Fatalf("%q gives %d, out of range", text, got)
		}
		if q == quantityTime && strings.Contains(text, "T") {
			return
		}
		number := strings.TrimSpace(text)
		for _, u := range quantities[q].units {
			rest, cut := strings.CutSuffix(number, u.name)
			rest = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "*"))
			if _, isNumber := new(big.Rat).SetString(rest); cut && u.name != "" && isNumber {
				number, shift = rest, u.shift
				break
			}
		}
		v, isNumber := new(big.Rat).SetString(number)
		if !isNumber {
			t.Fatalf("%q is taken as %d but %q is no number", text, got, number)
		}
		v.Mul(v, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(shift)), nil)))
		if want := v.FloatString(0); want != fmt.Sprint(got) && want != "-0" { // FloatString rounds half away from zero
			t.Fatalf("%q gives %d, want %s", text, got, want)
		}
	})
}

// No payload may break what reads it.
func FuzzMeterPayload(f *testing.F) {
	m := mustMap(f, map[string]string{
		"net": "t#/net kW", "gas": "t#/a/0/b", "time": "t#/time", "l1_import": "t#/~0/~1", "tariff": "t#", "l1_voltage": "t V",
	})
	for _, s := range []string{`{"net":"0.378 kW","a":[{"b":1.5}],"~":{"/":-3}}`, `{"net":null}`, `[1,2]`, `2`, `"2"`, `{}{}`, `{"net":`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		s := m.read("t", payload)
		if s.fields&s.absent != 0 {
			t.Fatal("there and not there")
		}
		if s.faults > 0 == (s.fault == "") || strings.ContainsAny(s.fault, "\n\x00") {
			t.Fatalf("%d faults: %q", s.faults, s.fault)
		}
		b := burst{topics: m}
		b.take(time.Now(), time.Now(), s)
		if r, ok := b.tell(time.Now()); ok && (r.Import < 0 || r.Export < 0 || r.Phases[0].Import < 0 || r.Gas < 0) {
			t.Fatalf("%+v", r)
		}
	})
}

func TestPointer(t *testing.T) {
	doc, ok := decodeJSON([]byte(`{"foo":["bar",{"x":1}],"":0,"a/b":1,"m~n":8,"~1":9," ":7,"01":3,"A":1}`))
	if !ok {
		t.Fatal("the document is not read")
	}
	for text, want := range map[string]string{
		"/foo/0": "bar", "/foo/1/x": "1", "/": "0", "/a~1b": "1", "/m~0n": "8", "/~01": "9", "/ ": "7", "/01": "3",
		"/foo/00": "-", "/foo/2": "-", "/foo/-": "-", "/foo/-1": "-", "/foo/+1": "-", "/foo/0/x": "-", "/a": "-", "/nothing": "-",
		"foo": "!", "/~": "!", "/~2": "!", "/a~": "!", "/~~0": "!",
	} {
		got := "!"
		if p, ok := parsePointer(text); ok {
			got = "-"
			if v, found := p.find(doc); found {
				got = fmt.Sprint(v)
			}
		}
		if got != want {
			t.Errorf("%q gives %s, want %s", text, got, want)
		}
	}
	if p, ok := parsePointer(""); !ok {
		t.Error("the whole document")
	} else if v, found := p.find(doc); !found || !reflect.DeepEqual(v, doc) {
		t.Error("the whole document is not found")
	}
	for _, bad := range []string{"", "{", "{}{}", "{}x", "nul"} {
		if _, ok := decodeJSON([]byte(bad)); ok {
			t.Errorf("%q is a document", bad)
		}
	}
}

func mustMap(t testing.TB, fields map[string]string) MeterMap {
	t.Helper()
	m, err := ParseMeterMap(fields)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestParseMeterMap(t *testing.T) {
	type fields = map[string]string
	for _, c := range []struct {
		name   string
		fields fields
		fault  string // field of the error, "" if there is none
		says   string
	}{
		{name: "none", fields: nil},
		{name: "net alone", fields: fields{"net": "p1/power"}},
		{name: "units and pointers", fields: fields{"import": "p1/a#/x/0 kW", "export": "p1/a#/x/1 kW", "gas": "p1/gas dm3", "l1_voltage": "p1/v V"}},
		{name: "whole document", fields: fields{"net": "p1/power#"}},
		{name: "a topic with a space", fields: fields{"net": "slimme meter/power W", "tariff": "slimme meter/tariff"}},
		{name: "registers alone", fields: fields{"import_t1": "a Wh", "import_t2": "b kWh"}},
		{name: "three signed phases", fields: fields{"l1_import": "a", "l2_import": "b", "l3_import": "c"}},
		{name: "unknown field", fields: fields{"power": "p1/power"}, fault: "power", says: "import_t1"},
		{name: "field in capitals", fields: fields{"Net": "p1/power"}, fault: "Net"},
		{name: "no topic", fields: fields{"net": ""}, fault: "net"},
		{name: "wildcard", fields: fields{"net": "p1/+"}, fault: "net"},
		{name: "the broker's own topic", fields: fields{"net": "$SYS/x"}, fault: "net"},
		{name: "the hub's own topic", fields: fields{"net": "homehub/import_w"}, fault: "net", says: "homehub/"},
		{name: "unknown unit", fields: fields{"net": "p1/power kw"}, fault: "net", says: "W or kW"},
		{name: "unit of another quantity", fields: fields{"import_t1": "p1/t1 kW"}, fault: "import_t1", says: "kWh"},
		{name: "tariff with a unit", fields: fields{"tariff": "p1/tariff W", "net": "a"}, fault: "tariff"},
		{name: "bad pointer", fields: fields{"net": "p1/power#power"}, fault: "net", says: "pointer"},
		{name: "bad escape", fields: fields{"net": "p1/power#/~3"}, fault: "net", says: "pointer"},
		{name: "one place twice", fields: fields{"import": "p1/power W", "export": "p1/power kW"}, fault: "import", says: "export"},
		{name: "net beside import", fields: fields{"net": "a", "import": "b"}, fault: "net"},
		{name: "export alone", fields: fields{"export": "a"}, fault: "export"},
		{name: "time alone", fields: fields{"time": "a"}, fault: "time"},
		{name: "a phase is missing", fields: fields{"l1_import": "a", "l3_import": "b"}, fault: "l2_import"},
		{name: "two phases", fields: fields{"l1_import": "a", "l2_import": "b"}, fault: "l3_import"},
		{name: "one voltage of three phases", fields: fields{"l1_import": "a", "l2_import": "b", "l3_import": "c", "l1_voltage": "d"}, fault: "l2_voltage"},
		{name: "only the second phase", fields: fields{"l2_voltage": "a"}, fault: "l1_voltage"},
		{name: "a phase's export alone", fields: fields{"l1_export": "a"}, fault: "l1_export"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := ParseMeterMap(c.fields)
			if c.fault == "" {
				if err != nil || m.IsZero() != (len(c.fields) == 0) {
					t.Fatalf("%+v, %v", m, err)
				}
				return
			}
			e, ok := err.(*hub.Error)
			if !ok || e.Code != hub.Invalid || e.Field != "meter.topics."+c.fault || !strings.Contains(e.Message, c.says) {
				t.Fatalf("got %v, want a fault of %s that says %q", err, c.fault, c.says)
			}
			if !m.IsZero() {
				t.Error("a map comes with the error")
			}
		})
	}
	m := mustMap(t, map[string]string{"import": "b", "export": "a#/x", "gas": "a#/y m³"})
	if got := m.Topics(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("topics %v", got)
	}
}

// Every field in its own unit ends where it belongs.
func TestMeterFields(t *testing.T) {
	fields := map[string]string{
		"import": "m/import kW", "export": "m/export", "import_t1": "m/t1", "import_t2": "m/t2 Wh", "export_t1": "m/t3", "export_t2": "m/t4",
		"tariff": "m/tariff", "gas": "m/gas", "time": "m/time",
	}
	payloads := map[string]string{
		"m/import": "1.234", "m/export": "0", "m/t1": "1.001", "m/t2": "2002", "m/t3": "3.003 kWh", "m/t4": "4004 Wh", "m/tariff": "0002",
		"m/gas": "5.005", "m/time": "2026-01-01T00:00:00Z",
	}
	want := hub.Reading{
		At: at("2026-01-01 00:00:00"), Received: at("2026-01-01 00:00:02"), Import: 1234, Tariff: 2, Gas: 5005, PhaseCount: 3,
		Registers: hub.Registers{ImportT1: 1001, ImportT2: 2002, ExportT1: 3003, ExportT2: 4004},
		Has: hub.HasImport | hub.HasImportT1 | hub.HasImportT2 | hub.HasExportT1 | hub.HasExportT2 | hub.HasTariff | hub.HasGas |
			hub.HasMeterClock | hub.HasPhasePower | hub.HasCurrent | hub.HasVoltage,
	}
	for i := range 3 {
		l := fmt.Sprintf("l%d_", i+1)
		for value, unit := range map[string]string{"import": "W", "export": "kW", "current": "A", "voltage": "V"} {
			fields[l+value] = "m/" + l + value + " " + unit
		}
		payloads["m/"+l+"import"] = fmt.Sprint(100 + i)
		payloads["m/"+l+"export"] = fmt.Sprintf("0.%d", 200+i)
		payloads["m/"+l+"current"] = fmt.Sprintf("-%d.5", i)
		payloads["m/"+l+"voltage"] = fmt.Sprintf("23%d.1", i)
		want.Phases[i] = hub.Phase{
			Import: hub.Watt(100 + i), Export: hub.Watt(200 + i),
			Current: hub.Milliampere(1000*i + 500), Voltage: hub.Decivolt(2301 + 10*i),
		}
	}
	m := mustMap(t, fields)
	if len(fields) != len(meterFields)-1 { // net excludes import
		t.Errorf("%d of %d fields", len(fields), len(meterFields))
	}
	b := burst{topics: m}
	for topic, payload := range payloads {
		s := m.read(topic, []byte(payload))
		if s.faults != 0 {
			t.Fatal(s.fault)
		}
		b.take(time.Now(), want.Received, s)
	}
	if got, ok := b.tell(time.Now()); !ok || got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestMeterPower(t *testing.T) {
	for _, c := range []struct {
		name     string
		fields   map[string]string
		say      []string // "topic payload"
		imp, exp hub.Watt
		unknown  bool
	}{
		{name: "net taken", fields: map[string]string{"net": "n"}, say: []string{"n 300"}, imp: 300},
		{name: "net given", fields: map[string]string{"net": "n kW"}, say: []string{"n -1.5"}, exp: 1500},
		{name: "import without an export topic", fields: map[string]string{"import": "i"}, say: []string{"i 5"}, imp: 5},
		{name: "export not known yet", fields: map[string]string{"import": "i", "export": "e", "tariff": "t"}, say: []string{"i 5", "t 1"}, unknown: true},
		{name: "import below zero", fields: map[string]string{"import": "i", "tariff": "t"}, say: []string{"i -5", "t 1"}, unknown: true},
		{name: "sum of signed phases", fields: map[string]string{"l1_import": "a", "l2_import": "b", "l3_import": "c"}, say: []string{"a 100", "b -500", "c 150"}, exp: 250},
		{name: "sum of phases", fields: map[string]string{"l1_import": "a", "l1_export": "b"}, say: []string{"a 0", "b 40"}, exp: 40},
		{name: "a phase is missing", fields: map[string]string{"l1_import": "a", "l2_import": "b", "l3_import": "c", "tariff": "t"}, say: []string{"a 100", "c 150", "t 1"}, unknown: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := mustMap(t, c.fields)
			b := burst{topics: m}
			for _, s := range c.say {
				topic, payload, _ := strings.Cut(s, " ")
				b.take(time.Now(), time.Now(), m.read(topic, []byte(payload)))
			}
			r, ok := b.tell(time.Now())
			if !ok || r.Has&hub.HasImport == 0 != c.unknown || r.Import != c.imp || r.Export != c.exp {
				t.Errorf("%+v", r)
			}
		})
	}
}

// meterRun is a meter within a bubble of testing/synctest, whose readings have
// the machine time at which they came in told.
type meterRun struct {
	*meter
	begin    time.Time
	told     []time.Duration
	readings []hub.Reading
	faults   []string
}

func runMeter(t *testing.T, fields map[string]string) *meterRun {
	t.Helper()
	r := &meterRun{begin: time.Now()}
	r.meter = newMeter(Config{
		Meter: mustMap(t, fields), Logger: discard0(), Observe: func(got hub.Reading) {
			r.told = append(r.told, time.Since(r.begin))
			r.readings = append(r.readings, got)
		},
	}, func(n int, last string) { r.faults = append(r.faults, fmt.Sprint(n, " ", last)) })
	go r.run(t.Context())
	return r
}

// at goes to d after the begin and says something there.
func (r *meterRun) say(d time.Duration, topic, payload string) {
	r.until(d)
	r.heard(topic, []byte(payload))
	synctest.Wait()
}

func (r *meterRun) until(d time.Duration) {
	<-time.After(d - time.Since(r.begin))
	synctest.Wait()
}

const ms = time.Millisecond

// A burst is told when it has what the one before had, else after 200 ms.
func TestMeterBursts(t *testing.T) {
	all := map[string]string{"import": "i", "export": "e", "tariff": "t", "gas": "g", "time": "c"}
	few := map[string]string{"import": "i", "tariff": "t"}
	for _, c := range []struct {
		name   string
		fields map[string]string
		say    string // "ms topic payload;..."
		told   []time.Duration
		last   string // import, export and what there is of the last reading
	}{
		{"the first burst waits for more", all, "0 i 1;10 e 0;20 t 1", []time.Duration{200 * ms}, "1 0"},
		{"the second does not", all, "0 i 1;10 e 0;1000 e 0;1030 i 2", []time.Duration{200 * ms, 1030 * ms}, "2 0"},
		{"in any order", all, "0 i 1;10 e 0;20 t 1;1000 t 1;1001 e 0;1002 i 2", []time.Duration{200 * ms, 1002 * ms}, "2 0"},
		{"a burst that lacks one", all, "0 i 1;10 e 0;1000 i 2", []time.Duration{200 * ms, 1200 * ms}, "2 0"},
		{"and the next is as short", all, "0 i 1;10 e 0;1000 i 2;2000 i 3", []time.Duration{200 * ms, 1200 * ms, 2000 * ms}, "3 0"},
		{"a latecomer is told later", few, "0 i 1;1000 i 2;1050 t 7", []time.Duration{200 * ms, 1000 * ms, 1250 * ms}, "2 0"},
		{"and waited for the next time", few, "0 i 1;1000 i 2;1050 t 7;2000 i 3;2050 t 8", []time.Duration{200 * ms, 1000 * ms, 1250 * ms, 2050 * ms}, "3 0"},
		{"a repeated value begins a burst", all, "0 i 1;10 e 5;150 i 2;160 e 6", []time.Duration{150 * ms, 250 * ms}, "2 6"},
		{"what came long before is another burst", all, "0 t 1;1000 i 1;1010 e 0;2000 i 2;2010 e 0", []time.Duration{200 * ms, 1200 * ms, 2010 * ms}, "2 0"},
		{"half a power is no reading", all, "0 i 1", nil, ""},
		{"a time alone is no news", all, "0 c 1767225600;1000 c 1767225601", nil, ""},
		{"a time first", all, "0 c 1767225600;5 i 1;9 e 0;1000 c 1767225601;1005 i 2;1009 e 0", []time.Duration{205 * ms, 1009 * ms}, "2 0 2026-01-01 00:00:01"},
		{"a time last", all, "0 i 1;5 e 0;9 c 1767225600;1000 i 2;1005 e 0;1009 c 1767225601", []time.Duration{200 * ms, 1009 * ms}, "2 0 2026-01-01 00:00:01"},
		{"the time of an earlier burst", all, "0 c 1767225600;5 i 1;9 e 0;1000 i 2;1005 e 0", []time.Duration{205 * ms, 1200 * ms}, "2 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := runMeter(t, c.fields)
				for s := range strings.SplitSeq(c.say, ";") {
					var after int
					var topic, payload string
					if _, err := fmt.Sscan(s, &after, &topic, &payload); err != nil {
						t.Fatal(err)
					}
					r.say(time.Duration(after)*ms, topic, payload)
				}
				r.until(5 * time.Second)
				if !slices.Equal(r.told, c.told) {
					t.Errorf("told at %v, want %v", r.told, c.told)
				}
				if len(r.readings) == 0 {
					return
				}
				last := r.readings[len(r.readings)-1]
				got := fmt.Sprint(last.Import, " ", last.Export)
				if last.Has&hub.HasMeterClock != 0 {
					got += last.At.Format(" 2006-01-02 15:04:05")
				} else if !last.At.Equal(last.Received) {
					t.Errorf("at %v, received %v", last.At, last.Received)
				}
				if last.Has&hub.HasImport == 0 || got != c.last {
					t.Errorf("last is %s, want %s: %+v", got, c.last, last)
				}
			})
		})
	}
}

// However often the values come, ten readings a second go out, and each is of
// one burst.
func TestMeterIsToldTenTimesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runMeter(t, map[string]string{"import": "i", "export": "e"})
		const n = 500
		for i := range n { // 50 bursts a second for ten seconds
			r.say(time.Duration(i)*20*ms+time.Duration(i*5%3)*ms, "i", fmt.Sprint(i))
			r.say(time.Duration(i)*20*ms+time.Duration(3+i%7*2)*ms, "e", fmt.Sprint(i))
		}
		r.until(20 * time.Second)
		if len(r.told) < 80 || len(r.told) > 101 {
			t.Errorf("%d readings in 10 s", len(r.told))
		}
		for i := range r.told {
			if i > 0 && r.told[i]-r.told[i-1] < 100*ms {
				t.Fatalf("told at %v and %v", r.told[i-1], r.told[i])
			}
			if got := r.readings[i]; got.Import != got.Export {
				t.Fatalf("half of one burst and half of another: %+v", got)
			}
		}
		if last := r.readings[len(r.readings)-1]; last.Import != n-1 {
			t.Errorf("last is %d", last.Import)
		}
	})
}

// A value is in the readings for a minute, and not a moment longer.
func TestMeterForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runMeter(t, map[string]string{"net": "n", "gas": "g", "l1_voltage": "v"})
		r.say(0, "g", "1.5")
		r.say(0, "v", "230")
		for i := range 64 {
			r.say(time.Duration(i)*time.Second, "n", fmt.Sprint(i))
		}
		r.until(70 * time.Second)
		for _, got := range r.readings {
			age := got.Received.Sub(r.begin)
			if fresh := got.Has&hub.HasGas != 0 && got.Has&hub.HasVoltage != 0; fresh != (age <= time.Minute) {
				t.Errorf("gas and voltage of %v ago: %+v", age, got)
			}
			if got.Has&hub.HasGas == 0 && got.Gas != 0 || got.Has&hub.HasImport == 0 {
				t.Errorf("%+v", got)
			}
		}
		n := len(r.readings)
		if n != 64 {
			t.Errorf("%d readings", n)
		}
		r.until(10 * time.Minute)
		if len(r.readings) != n {
			t.Error("it repeats what it knows")
		}
	})
}

// What is said while the hub is busy is bounded, and nobody waits.
func TestMeterNeverBlocks(t *testing.T) {
	var got []hub.Reading
	m := newMeter(Config{Meter: mustMap(t, map[string]string{"net": "n"}), Logger: discard0(), Observe: func(r hub.Reading) { got = append(got, r) }}, nil)
	for i := range 3 * maxMeterQueue {
		m.heard("n", fmt.Append(nil, i))
		m.heard("other", []byte("1"))
	}
	if len(m.queue) != maxMeterQueue || m.lost != 2*maxMeterQueue {
		t.Errorf("%d wait, %d lost", len(m.queue), m.lost)
	}
	m.drain()
	if len(m.queue) != 0 || m.lost != 0 || len(got) != 1 { // the first was due, the others are one
		t.Errorf("%d wait, %d lost, %d readings", len(m.queue), m.lost, len(got))
	}
	m.heard("n", make([]byte, 64<<10))
	if n := cap(m.queue[0].payload); n > 2*maxMeterPayload {
		t.Errorf("%d bytes of a message wait that is too long anyway", n)
	}
}

// The count of faults begins anew when the old ones left the status page.
func TestMeterForgetsFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runMeter(t, map[string]string{"net": "n"})
		for _, d := range []time.Duration{0, time.Second, troubleTime, 3 * troubleTime} {
			r.say(d, "n", "nan")
		}
		var counts []string
		for _, f := range r.faults {
			n, _, _ := strings.Cut(f, " ")
			counts = append(counts, n)
		}
		if got := strings.Join(counts, " "); got != "1 2 3 1" {
			t.Errorf("counts %s", got)
		}
	})
}

// Values that are none are counted and named, and spoil nothing.
func TestMeterFaults(t *testing.T) {
	fields := map[string]string{"import": "p#/imp kW", "export": "p#/exp kW", "gas": "p#/gas", "tariff": "t"}
	good := `{"imp":"0.5","exp":0.25,"gas":1}`
	for _, c := range []struct {
		name, topic, payload string
		faults               int
		says                 string
	}{
		{"a word", "t", "unavailable", 1, `"unavailable" on t is no tariff, a whole number up to 255 (meter.topics.tariff)`},
		{"control characters", "t", "\x00\n\xff", 1, `"\x00\n\xff" on t`},
		{"nothing: a retained topic is cleared", "t", "", 0, ""},
		{"no object", "p", "0.5", 1, "points to"},
		{"half a document", "p", `{"imp":1`, 1, "is not JSON"},
		{"two documents", "p", good + good, 1, "is not JSON"},
		{"null", "p", `{"imp":null,"exp":null,"gas":null}`, 0, ""},
		{"a wrong type", "p", `{"imp":true,"exp":[1],"gas":{}}`, 3, "is not a number"},
		{"below zero", "p", `{"imp":-0.5,"exp":0,"gas":1}`, 1, "meter.topics.net"},
		{"a field is missing", "p", `{"imp":0.5,"exp":0}`, 1, "has nothing where meter.topics.gas points to"},
		{"too long", "p", `{"imp":` + strings.Repeat("0", maxMeterPayload) + "}", 1, "longer than 16384"},
		{"too deep", "p", strings.Repeat("[", 12_000), 1, "is not JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var total int
			var last string
			m := newMeter(Config{Meter: mustMap(t, fields), Logger: discard0()}, func(n int, s string) { total, last = n, s })
			m.heard(c.topic, []byte(c.payload))
			m.drain()
			if total != c.faults || !strings.Contains(last, c.says) {
				t.Errorf("%d faults: %s", total, last)
			}
			m.heard(c.topic, []byte(c.payload))
			m.drain()
			if total != 2*c.faults {
				t.Errorf("%d faults after the second time", total)
			}
			m.heard("p", []byte(good))
			m.drain()
			if r, ok := m.burst.tell(time.Now()); !ok || r.Import != 500 || r.Export != 250 || r.Gas != 1000 {
				t.Errorf("after it: %+v", r)
			}
			m.heard("p", []byte(`{"imp":1,"exp":0}`)) // at times without gas
			m.drain()
			if total != 2*c.faults {
				t.Errorf("a document that leaves out gas is a fault: %s", last)
			}
		})
	}
}
