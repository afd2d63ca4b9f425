package gpio

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"sync"

	"homehub/hub"

	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/host/v3/sysfs"
)

// Channels is how many inputs an MCP3008 has.
const Channels = 8

// adcClock suits an MCP3008 at the Pi's 3.3 V: the data sheet allows 1.35 MHz
// at 2.7 V and 3.6 MHz at 5 V.
const adcClock = physic.MegaHertz

// Conn is a full-duplex connection: as many bytes come back as are sent. w and
// r have the same length.
type Conn interface {
	Tx(w, r []byte) error
}

// Calibration turns a raw value of 0 to 1023 into a value with a meaning:
// Offset + Gain × raw. The zero Calibration leaves the raw value as it is.
type Calibration struct {
	Offset float64
	Gain   float64 // 0 counts as 1
}

// Value is the calibrated value of raw.
func (c Calibration) Value(raw int) float64 {
	if c.Gain == 0 {
		return c.Offset + float64(raw)
	}
	return c.Offset + c.Gain*float64(raw)
}

// ADCConfig is what an ADC is made of.
type ADCConfig struct {
	Conn            Conn // nil: /dev/spidev<Bus>.<ChipSelect>
	Bus, ChipSelect int  // only without a Conn; 0 and 0 on the header's CE0
	Channels        [Channels]Calibration
}

// ADC is an MCP3008, a converter with eight inputs of 10 bits. It is safe for
// concurrent use.
type ADC struct {
	channels [Channels]Calibration
	close    func() error

	mu   sync.Mutex // one exchange at a time
	conn Conn
}

// NewADC opens the converter. Where there is no SPI it returns a
// hub.Unavailable error that names the missing device file.
func NewADC(cfg ADCConfig) (*ADC, error) {
	for ch, c := range cfg.Channels {
		if math.IsNaN(c.Offset+c.Gain) || math.IsInf(c.Offset, 0) || math.IsInf(c.Gain, 0) {
			return nil, hub.Errorf(hub.Invalid, "channel %d: offset and gain must be numbers", ch)
		}
	}
	a := &ADC{channels: cfg.Channels, conn: cfg.Conn, close: func() error { return nil }}
	if a.conn != nil {
		return a, nil
	}
	path := fmt.Sprintf("/dev/spidev%d.%d", cfg.Bus, cfg.ChipSelect)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, hub.Errorf(hub.Unavailable, "%s is missing: switch SPI on with dtparam=spi=on in config.txt and restart the Pi", path)
	}
	port, err := sysfs.NewSPI(cfg.Bus, cfg.ChipSelect)
	if err != nil {
		return nil, hub.Errorf(hub.Unavailable, "opening %s: %v: the hub's user must be in the group spi", path, err)
	}
	conn, err := port.Connect(adcClock, spi.Mode0, 8)
	if err != nil {
		return nil, errors.Join(hub.Errorf(hub.Unavailable, "opening %s: %v", path, err), port.Close())
	}
	a.conn, a.close = conn, port.Close
	return a, nil
}

// Raw is the value of a channel from 0 to 1023. A converter that is not there
// is a hub.Unavailable error where that can be told: its line must float or be
// pulled high.
func (a *ADC) Raw(channel int) (int, error) {
	if channel < 0 || channel >= Channels {
		return 0, hub.FieldErrorf("channel", "must be 0 to %d", Channels-1)
	}
	// Data sheet DS21295, figure 6-1: start bit, single-ended and channel,
	// then a null bit and ten bits of value come back.
	w, r := [3]byte{0x01, byte(8+channel) << 4, 0}, [3]byte{}
	a.mu.Lock()
	err := a.conn.Tx(w[:], r[:])
	a.mu.Unlock()
	if err != nil {
		return 0, fmt.Errorf("reading channel %d of the converter: %w", channel, err)
	}
	if r[1]&0x04 != 0 {
		return 0, hub.Errorf(hub.Unavailable, "no MCP3008 answers on channel %d: check its wiring", channel)
	}
	return int(r[1]&0x03)<<8 | int(r[2]), nil
}

// Read is the calibrated value of a channel.
func (a *ADC) Read(channel int) (float64, error) {
	raw, err := a.Raw(channel)
	if err != nil {
		return 0, err
	}
	return a.channels[channel].Value(raw), nil
}

// Close closes the connection if NewADC opened it.
func (a *ADC) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.close()
}
