package gpio

import (
	"strconv"
	"strings"

	"homehub/hub"
)

// The pins of the header that are free to use. GPIO0 and GPIO1 belong to the
// identification chip of an add-on board.
const (
	firstPin = 2
	lastPin  = 27
)

// Pin is one line of the header.
type Pin struct {
	Name      string // as the kernel calls it, e.g. GPIO17 (Broadcom's numbers, not the header's)
	ActiveLow bool   // the relay is on while the line is low
}

// String is the pin as a topic names it.
func (p Pin) String() string {
	if p.ActiveLow {
		return "!" + p.Name
	}
	return p.Name
}

// level is the line's level for on or off.
func (p Pin) level(on bool) bool { return on != p.ActiveLow }

// ParsePins reads the topic of a device of hub.FamilyGPIO: one or more pins
// with commas between, such as GPIO17 or GPIO17,GPIO27, each with a leading !
// if it is active-low. Anything else is a hub.Invalid error about the topic.
func ParsePins(topic string) ([]Pin, error) {
	var pins []Pin
	seen := map[string]bool{}
	for part := range strings.SplitSeq(topic, ",") {
		name, low := strings.CutPrefix(part, "!")
		number, ok := strings.CutPrefix(name, "GPIO")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || strconv.Itoa(n) != number {
			return nil, hub.FieldErrorf("topic", "%q is not a pin: write GPIO17, or !GPIO17 if the relay is on while the pin is low, with commas between several", part)
		}
		if n < firstPin || n > lastPin {
			return nil, hub.FieldErrorf("topic", "%s is not free on the header: use GPIO%d to GPIO%d", name, firstPin, lastPin)
		}
		if seen[name] {
			return nil, hub.FieldErrorf("topic", "%s is named twice", name)
		}
		seen[name] = true
		pins = append(pins, Pin{Name: name, ActiveLow: low})
	}
	return pins, nil
}
