package gpio_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"homehub/gpio"
	"homehub/hub"
)

type fakeConn struct{ onTx func(w, r []byte) error }

func (c fakeConn) Tx(w, r []byte) error { return c.onTx(w, r) }

// converter answers as an MCP3008 does: what it sends before the null bit is
// noise.
func converter(t *testing.T, values [gpio.Channels]int) fakeConn {
	return fakeConn{func(w, r []byte) error {
		if len(w) != 3 || len(r) != 3 || w[0] != 0x01 || w[1]&0x8f != 0x80 || w[2] != 0 {
			t.Errorf("sent % x and room for %d", w, len(r))
			return nil
		}
		v := values[w[1]>>4&7]
		r[0], r[1], r[2] = 0xff, 0xf8|byte(v>>8), byte(v)
		return nil
	}}
}

func TestReadsEveryChannel(t *testing.T) {
	values := [gpio.Channels]int{0, 1, 255, 256, 511, 512, 1022, 1023}
	cfg := gpio.ADCConfig{Conn: converter(t, values)}
	for ch := range cfg.Channels {
		cfg.Channels[ch] = gpio.Calibration{Offset: float64(-ch), Gain: 0.5}
	}
	cfg.Channels[7] = gpio.Calibration{}
	a, err := gpio.NewADC(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for ch, want := range values {
		raw, err := a.Raw(ch)
		if err != nil || raw != want {
			t.Errorf("channel %d: raw %d, %v, want %d", ch, raw, err, want)
		}
		value := float64(want)*0.5 - float64(ch)
		if ch == 7 {
			value = 1023 // not calibrated
		}
		if got, err := a.Read(ch); err != nil || got != value {
			t.Errorf("channel %d: %v, %v, want %v", ch, got, err, value)
		}
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

func TestSendsTheRightBytes(t *testing.T) {
	var sent []string
	a, err := gpio.NewADC(gpio.ADCConfig{Conn: fakeConn{func(w, r []byte) error {
		sent = append(sent, fmt.Sprintf("% x", w))
		return nil
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for ch := range gpio.Channels {
		if _, err := a.Raw(ch); err != nil {
			t.Error(err)
		}
	}
	// From the data sheet's table of configuration bits, single-ended.
	want := "01 80 00,01 90 00,01 a0 00,01 b0 00,01 c0 00,01 d0 00,01 e0 00,01 f0 00"
	if got := strings.Join(sent, ","); got != want {
		t.Errorf("sent %s\nwant %s", got, want)
	}
}

func TestADCErrors(t *testing.T) {
	broken := errors.New("input/output error")
	tests := []struct {
		name    string
		channel int
		onTx    func(w, r []byte) error
		code    hub.Code
		says    string
	}{
		{"below the first channel", -1, nil, hub.Invalid, "0 to 7"},
		{"above the last channel", 8, nil, hub.Invalid, "0 to 7"},
		{"the bus fails", 3, func(w, r []byte) error { return broken }, hub.Internal, "channel 3 of the converter: input/output error"},
		{"nothing answers", 5, func(w, r []byte) error { r[0], r[1], r[2] = 0xff, 0xff, 0xff; return nil }, hub.Unavailable, "no MCP3008 answers on channel 5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := gpio.NewADC(gpio.ADCConfig{Conn: fakeConn{tt.onTx}})
			if err != nil {
				t.Fatal(err)
			}
			v, err := a.Read(tt.channel)
			if err == nil || hub.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, %v, want %s that says %q", v, err, tt.code, tt.says)
			}
		})
	}
}

func TestCalibrationMustBeNumbers(t *testing.T) {
	for _, c := range []gpio.Calibration{{Offset: math.NaN()}, {Gain: math.NaN()}, {Offset: math.Inf(1)}, {Gain: math.Inf(-1)}} {
		cfg := gpio.ADCConfig{Conn: fakeConn{}}
		cfg.Channels[4] = c
		if _, err := gpio.NewADC(cfg); hub.CodeOf(err) != hub.Invalid || !strings.Contains(err.Error(), "channel 4") {
			t.Errorf("%v: got %v", c, err)
		}
	}
}

func TestNamesTheMissingSPIDevice(t *testing.T) {
	if _, err := os.Stat("/dev/spidev7.1"); err == nil {
		t.Skip("this machine has it")
	}
	_, err := gpio.NewADC(gpio.ADCConfig{Bus: 7, ChipSelect: 1})
	if hub.CodeOf(err) != hub.Unavailable || !strings.Contains(err.Error(), "/dev/spidev7.1 is missing") || !strings.Contains(err.Error(), "dtparam=spi=on") {
		t.Errorf("got %v", err)
	}
}
