package mqtt

import (
	"maps"
	"slices"
	"strings"

	"homehub/hub"
)

// field is one value of the meter that a topic can carry.
type field uint8

const (
	fieldImport field = iota
	fieldExport
	fieldNet
	fieldImportT1
	fieldImportT2
	fieldExportT1
	fieldExportT2
	fieldTariff
	fieldGas
	fieldTime
	fieldPhases // the first of the phases: phaseFields for l1, then l2 and l3
)

// The values of one phase, counted from fieldPhases + phase*phaseFields.
const (
	phaseImport = iota
	phaseExport
	phaseCurrent
	phaseVoltage
	phaseFields
)

// meterFields are the names of the fields as the owner writes them.
var meterFields = [...]struct {
	name string
	kind quantity
}{
	fieldImport: {"import", quantityPower}, fieldExport: {"export", quantityPower}, fieldNet: {"net", quantityPower},
	fieldImportT1: {"import_t1", quantityEnergy}, fieldImportT2: {"import_t2", quantityEnergy},
	fieldExportT1: {"export_t1", quantityEnergy}, fieldExportT2: {"export_t2", quantityEnergy},
	fieldTariff: {"tariff", quantityTariff}, fieldGas: {"gas", quantityVolume}, fieldTime: {"time", quantityTime},
	fieldPhases: {"l1_import", quantityPower},
	{"l1_export", quantityPower},
	{"l1_current", quantityCurrent},
	{"l1_voltage", quantityVoltage},
	{"l2_import", quantityPower},
	{"l2_export", quantityPower},
	{"l2_current", quantityCurrent},
	{"l2_voltage", quantityVoltage},
	{"l3_import", quantityPower},
	{"l3_export", quantityPower},
	{"l3_current", quantityCurrent},
	{"l3_voltage", quantityVoltage},
}

func phaseField(phase, value int) field { return fieldPhases + field(phase*phaseFields+value) }

func (f field) String() string { return meterFields[f].name }

// fieldSet has one bit per field.
type fieldSet uint32

func setOf(fields ...field) (s fieldSet) {
	for _, f := range fields {
		s |= 1 << f
	}
	return s
}

func (s fieldSet) has(f field) bool           { return s&(1<<f) != 0 }
func (s fieldSet) includes(all fieldSet) bool { return s&all == all }

// MeterMap says which topic carries which value of the smart meter, for a
// meter that other software reads: ser2mqtt, an ESPHome P1 reader, a bridge of
// a HomeWizard. The zero value is no meter. It is made by ParseMeterMap and
// never changes.
type MeterMap struct {
	topics map[string][]source
	fields fieldSet
	phases int // 0, 1 or 3
}

// source is where the value of one field comes from.
type source struct {
	field   field
	pointer *pointer // nil: the payload is the value
	shift   int      // unit of a value that names none
}

// IsZero says whether no topic carries anything.
func (m MeterMap) IsZero() bool { return m.fields == 0 }

// Topics are the topics in alphabetical order. A program that feeds the meter
// needs a credential that may write them.
func (m MeterMap) Topics() []string { return slices.Sorted(maps.Keys(m.topics)) }

// ParseMeterMap makes a MeterMap of field names and the places of their
// values. The fields are
//
//	import export net                        power; net has a sign, + is import
//	import_t1 import_t2 export_t1 export_t2  registers
//	tariff gas time
//	l1_import l1_export l1_current l1_voltage, and the same for l2 and l3
//
// and a place is "topic", or "topic#/pointer" with a JSON pointer (RFC 6901)
// into a JSON payload, and after a space the unit: W (default) or kW, kWh
// (default) or Wh, A (default) or mA, V, m3 (default), dm3 or l. A payload
// that names its unit itself ("0.378 kW") is right whatever the map says. time
// is RFC 3339 or seconds since 1970.
//
// A phase's import may be below zero, which is export, where the map has no
// export of the phase. The sum of the phases stands in for import and net.
//
// An error is an Invalid hub.Error whose Field is meter.topics.<name>.
func ParseMeterMap(fields map[string]string) (MeterMap, error) {
	m := MeterMap{topics: map[string][]source{}}
	taken := map[string]field{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		f, ok := fieldNamed(name)
		if !ok {
			return MeterMap{}, topicError(name, "is not a value of the meter; there are %s", allFields())
		}
		place, s, err := parseSource(f, fields[name])
		if err != nil {
			return MeterMap{}, err
		}
		if other, ok := taken[place]; ok {
			return MeterMap{}, topicError(name, "%q is the place of %s already", place, other)
		}
		taken[place] = f
		topic, _, _ := strings.Cut(place, "#")
		m.topics[topic] = append(m.topics[topic], s)
		m.fields |= setOf(f)
	}
	if m.fields == setOf(fieldTime) {
		return MeterMap{}, topicError("time", "says when a value was read, but there is no value: add net, or import and export")
	}
	if err := m.checkPower(); err != nil {
		return MeterMap{}, err
	}
	if err := m.checkPhases(); err != nil {
		return MeterMap{}, err
	}
	return m, nil
}

func topicError(name, format string, args ...any) error {
	return hub.FieldErrorf("meter.topics."+name, format, args...)
}

func fieldNamed(name string) (field, bool) {
	for i, f := range meterFields {
		if f.name == name {
			return field(i), true
		}
	}
	return 0, false
}

func allFields() string {
	var names []string
	for _, f := range meterFields {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

// parseSource takes "topic#/pointer unit" apart. What stands behind the last
// space must be a unit, as a wrong one would else become part of the topic.
func parseSource(f field, text string) (place string, s source, err error) {
	kind := meterFields[f].kind
	place, unit := strings.TrimSpace(text), quantities[kind].units[0].name
	if i := strings.LastIndexByte(place, ' '); i >= 0 && (unit != "" || isUnit(place[i+1:])) {
		place, unit = strings.TrimSpace(place[:i]), place[i+1:]
	}
	s.field = f
	var ok bool
	if s.shift, ok = kind.unit(unit); !ok {
		return "", s, topicError(f.String(), "%q is no unit here: it is %s", unit, quantities[kind].what)
	}
	topic, path, isJSON := strings.Cut(place, "#")
	switch {
	case !publishable(topic):
		return "", s, topicError(f.String(), "%q is no topic that a program can publish on", clip(topic))
	case strings.HasPrefix(topic, mirrorPrefix):
		return "", s, topicError(f.String(), "topics below %s are the hub's own", mirrorPrefix)
	}
	if isJSON {
		if s.pointer, ok = parsePointer(path); !ok {
			return "", s, topicError(f.String(), "%q is no JSON pointer such as /power or /phases/0/power", path)
		}
	}
	return place, s, nil
}

// checkPower refuses a map whose power would be half known.
func (m MeterMap) checkPower() error {
	switch {
	case m.fields.has(fieldNet) && m.fields&setOf(fieldImport, fieldExport) != 0:
		return topicError("net", "is import less export: give either net, or import and export")
	case m.fields.has(fieldExport) && !m.fields.has(fieldImport):
		return topicError("export", "needs import beside it")
	}
	return nil
}

// checkPhases finds out how many phases there are. A Reading has one or three,
// and each of its values for all of them or for none.
func (m *MeterMap) checkPhases() error {
	for f := fieldPhases; int(f) < len(meterFields); f++ {
		if m.fields.has(f) {
			m.phases = max(m.phases, 1+2*min(1, int(f-fieldPhases)/phaseFields))
		}
	}
	for value := range phaseFields {
		all := m.phaseSet(value)
		if some := m.fields & all; some == 0 || some == all {
			continue
		}
		for f := fieldPhases; int(f) < len(meterFields); f++ {
			if all.has(f) && !m.fields.has(f) {
				return topicError(f.String(), "is missing: a value of the phases is needed for l1 alone or for all of l1, l2 and l3")
			}
		}
	}
	if m.phases > 0 && m.fields&m.phaseSet(phaseExport) != 0 && m.fields&m.phaseSet(phaseImport) == 0 {
		return topicError("l1_export", "needs l1_import beside it")
	}
	return nil
}

// phaseSet has one value of all phases that there are.
func (m MeterMap) phaseSet(value int) (s fieldSet) {
	for phase := range m.phases {
		s |= setOf(phaseField(phase, value))
	}
	return s
}
