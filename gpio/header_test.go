package gpio

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"homehub/hub"

	periph "periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/pin"
)

// driverLine is a whole line as the driver's library has it. What would turn
// an output into an input fails the test.
type driverLine struct {
	t      *testing.T
	onOut  func(periph.Level) error
	levels []periph.Level
	closed int
}

var _ periph.PinIO = (*driverLine)(nil)

func (l *driverLine) Out(level periph.Level) error {
	l.levels = append(l.levels, level)
	if l.onOut != nil {
		return l.onOut(level)
	}
	return nil
}
func (l *driverLine) Close() { l.closed++ }

func (l *driverLine) Read() periph.Level { l.t.Error("an output was read"); return false }
func (l *driverLine) Func() pin.Func     { l.t.Error("an output was asked for its function"); return "" }

func (l *driverLine) Function() string {
	l.t.Error("an output was asked for its function")
	return ""
}

func (l *driverLine) In(periph.Pull, periph.Edge) error {
	l.t.Error("an output became an input")
	return nil
}

func (l *driverLine) WaitForEdge(time.Duration) bool {
	l.t.Error("an output was waited for")
	return false
}
func (l *driverLine) PWM(periph.Duty, physic.Frequency) error { return nil }
func (l *driverLine) Halt() error                             { return nil }
func (l *driverLine) Name() string                            { return "GPIO17" }
func (l *driverLine) Number() int                             { return 17 }
func (l *driverLine) Pull() periph.Pull                       { return periph.PullNoChange }
func (l *driverLine) DefaultPull() periph.Pull                { return periph.PullNoChange }
func (l *driverLine) String() string                          { return "GPIO17" }

func TestAnOutputIsNeverReadBack(t *testing.T) {
	l := &driverLine{t: t}
	h := &header{label: "pinctrl-rp1", find: func(name string) output {
		if name != "GPIO17" {
			return nil
		}
		return l
	}}
	var reports []bool
	r, err := New(Config{Chip: h, Report: func(rep hub.Report) { reports = append(reports, rep.On) }})
	if err != nil {
		t.Fatal(err)
	}
	d := hub.Device{ID: "boiler", Name: "Boiler", Family: hub.FamilyGPIO, Role: hub.RolePlug, Topic: "GPIO17"}
	r.SetDevices([]hub.Device{d})
	on := hub.Command{On: true, Until: time.Now().Add(time.Minute)}
	for _, c := range []hub.Command{on, on, {}, on} {
		if err := r.Actuate(t.Context(), d, c); err != nil {
			t.Fatal(err)
		}
	}
	r.SetDevices([]hub.Device{d})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if want := []periph.Level{false, true, false, true, false}; !slices.Equal(l.levels, want) || l.closed != 1 {
		t.Errorf("levels %v, closed %d times, want %v, once", l.levels, l.closed, want)
	}
	if want := []bool{false, true, true, false, true, false}; !slices.Equal(reports, want) {
		t.Errorf("reports %v, want %v", reports, want)
	}
}

// No later method may open the way to reading an output.
func TestALineHasNoWayToBeRead(t *testing.T) {
	for _, typ := range []reflect.Type{reflect.TypeFor[Line](), reflect.TypeFor[output]()} {
		for m := range typ.Methods() {
			if m.Name != "Out" && m.Name != "Close" {
				t.Errorf("%v has %s", typ, m.Name)
			}
		}
	}
}

func TestARefusedLineIsClosed(t *testing.T) {
	l := &driverLine{t: t, onOut: func(periph.Level) error { return errors.New("device or resource busy") }}
	h := &header{label: "pinctrl-rp1", find: func(name string) output { return l }}
	_, err := h.Claim("GPIO17", false)
	if err == nil || !strings.Contains(err.Error(), "device or resource busy") || !strings.Contains(err.Error(), "gpioinfo") {
		t.Errorf("got %v", err)
	}
	if l.closed != 1 {
		t.Error("the line still counts as an output and would write to descriptor 0")
	}
}

func TestAnUnknownLine(t *testing.T) {
	h := &header{label: "pinctrl-rp1", find: func(name string) output { return nil }}
	if _, err := h.Claim("GPIO17", false); err == nil || !strings.Contains(err.Error(), "pinctrl-rp1 has no line of that name") {
		t.Errorf("got %v", err)
	}
}

type labelled string

func (l labelled) Label() string { return string(l) }

func TestTheHeaderIsFoundByItsLabel(t *testing.T) {
	tests := []struct {
		name  string
		chips []labelled
		want  labelled
		ok    bool
	}{
		{"Pi 3", []labelled{"pinctrl-bcm2835", "raspberrypi-exp-gpio"}, "pinctrl-bcm2835", true},
		{"Pi 5 before Linux 6.6.45", []labelled{"gpio-brcmstb@107d508500", "gpio-brcmstb@107d517c00", "pinctrl-rp1"}, "pinctrl-rp1", true},
		{"no header", []labelled{"INT3450:00", "ftdi-cbus"}, "", false},
		{"no chip", nil, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := headerOf(tt.chips); got != tt.want || ok != tt.ok {
				t.Errorf("got %q, %v", got, ok)
			}
		})
	}
}

func TestNamesTheMissingHeader(t *testing.T) {
	dev := t.TempDir()
	_, err := openHeader(dev)
	if hub.CodeOf(err) != hub.Unavailable || !strings.Contains(err.Error(), dev+"/gpiochip0 is missing") {
		t.Errorf("without a device: %v", err)
	}
	if chips, _ := filepath.Glob("/dev/gpiochip*"); len(chips) > 0 {
		t.Skip("this machine has chips of its own")
	}
	if _, err := New(Config{}); hub.CodeOf(err) != hub.Unavailable || !strings.Contains(err.Error(), "/dev/gpiochip0 is missing") {
		t.Errorf("on this machine: %v", err)
	}
	// A device that can not be opened, as one of another group.
	if err := os.Symlink(filepath.Join(dev, "nowhere"), filepath.Join(dev, "gpiochip3")); err != nil {
		t.Fatal(err)
	}
	if _, err := openHeader(dev); hub.CodeOf(err) != hub.Unavailable || !strings.Contains(err.Error(), dev+"/gpiochip3") || !strings.Contains(err.Error(), "group gpio") {
		t.Errorf("with a device that does not open: %v", err)
	}
	// One that opens, but drives no header.
	if err := os.WriteFile(filepath.Join(dev, "nowhere"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openHeader(dev); hub.CodeOf(err) != hub.Unavailable || !strings.Contains(err.Error(), "none of "+dev+"/gpiochip3 is a Raspberry Pi's header") {
		t.Errorf("with another chip: %v", err)
	}
}

// The library's umbrella writes to the registers of a Pi 4 whatever the
// machine is, and its registry mixes in the old sysfs pins.
func TestWhatOfTheLibraryIsUsed(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	deps, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if strings.Contains(string(out), "gpioreg") {
		t.Error("lines must be looked up on the chip, not in gpioreg")
	}
	for _, path := range strings.Fields(string(deps)) {
		if rest, ok := strings.CutPrefix(path, "periph.io/x/host/v3"); ok && rest != "/gpioioctl" && rest != "/sysfs" && rest != "/fs" {
			t.Errorf("%s must not be linked", path)
		}
	}
}
