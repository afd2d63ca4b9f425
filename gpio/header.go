package gpio

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"homehub/hub"

	"periph.io/x/conn/v3/driver/driverreg"
	periph "periph.io/x/conn/v3/gpio"
	"periph.io/x/host/v3/gpioioctl"
)

// Chip hands out the lines of a header.
type Chip interface {
	// Claim makes the named line an output at the given level. The line is
	// its caller's alone until it is closed.
	Claim(name string, high bool) (Line, error)
}

// Line is an output. It has no way to ask for its level, on purpose.
type Line interface {
	Out(high bool) error
	Close() error
}

// output is the part of periph's line that is safe to call on an output: its
// Read, Func and Function all turn the line into an input.
type output interface {
	Out(l periph.Level) error
	Close()
}

// header is the Pi's own header.
type header struct {
	label string
	find  func(name string) output // nil if there is no such line
}

// openHeader finds the header among the character devices gpiochip* of the
// folder dev. Its chip is known by its label: the numbers change with model
// and kernel (raspberrypi/linux#6144).
func openHeader(dev string) (*header, error) {
	files, err := filepath.Glob(filepath.Join(dev, "gpiochip*"))
	if err != nil || len(files) == 0 {
		return nil, hub.Errorf(hub.Unavailable, "%s is missing: relays need a Raspberry Pi with Linux 5.10 or newer, and the hub's service must be allowed to see the device", filepath.Join(dev, "gpiochip0"))
	}
	if _, err := driverreg.Init(); err != nil {
		return nil, fmt.Errorf("starting the driver of %s: %w", files[0], err)
	}
	// Lines are looked up on the chip itself: the library's registry also
	// holds pins of the old sysfs interface under the same names.
	if chip, ok := headerOf(gpioioctl.Chips); ok {
		return &header{label: chip.Label(), find: func(name string) output {
			if line := chip.ByName(name); line != nil {
				return line
			}
			return nil
		}}, nil
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return nil, hub.Errorf(hub.Unavailable, "%v: the hub's user must be in the group gpio", err)
		}
		_ = f.Close()
	}
	return nil, hub.Errorf(hub.Unavailable, "none of %s is a Raspberry Pi's header (a chip labelled pinctrl-*, Linux 5.10 or newer)", strings.Join(files, ", "))
}

// headerOf is the first chip that drives a header.
func headerOf[C interface{ Label() string }](chips []C) (chip C, ok bool) {
	for _, chip := range chips {
		if strings.HasPrefix(chip.Label(), "pinctrl-") {
			return chip, true
		}
	}
	return chip, false
}

// Claim makes the line an output. The library drives it low for the
// microseconds between two calls before it drives it high, which is too short
// for a coil but not for a logic input.
func (h *header) Claim(name string, high bool) (Line, error) {
	out := h.find(name)
	if out == nil {
		return nil, fmt.Errorf("%s has no line of that name", h.label)
	}
	if err := out.Out(periph.Level(high)); err != nil {
		// The library takes the line for an output even if the kernel
		// refused it, and would write to descriptor 0 from now on.
		out.Close()
		return nil, errors.Join(err, errors.New("another program or an overlay in config.txt may use it: see gpioinfo"))
	}
	return line{out}, nil
}

// line is a claimed line of the header.
type line struct{ out output }

func (l line) Out(high bool) error { return l.out.Out(periph.Level(high)) }

func (l line) Close() error {
	l.out.Close()
	return nil
}
