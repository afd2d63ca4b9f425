package gpio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"homehub/hub"
)

// inputEvery is how often an analog input is read: often enough for the mean of
// a feed's slot.
const inputEvery = time.Second

// Input is one channel of the converter with its calibration.
type Input struct {
	Channel     int
	Calibration Calibration
}

// IsInput says whether the topic of a device of hub.FamilyGPIO names an analog
// input, not pins.
func IsInput(topic string) bool { return strings.HasPrefix(topic, "ADC") }

// ParseInput reads the topic of a device of hub.FamilyGPIO that measures:
// ADC<channel>,<offset>,<gain>, such as ADC0,-12.5,2.44. Its power is
// offset + gain × raw, in W. Anything else is a hub.Invalid error about the
// topic.
func ParseInput(topic string) (Input, error) {
	wrong := hub.FieldErrorf("topic", "%q is not an analog input: write ADC0,offset,gain with numbers, for a power of offset + gain × raw", topic)
	parts := strings.Split(topic, ",")
	name, ok := strings.CutPrefix(parts[0], "ADC")
	channel, err := strconv.Atoi(name)
	if !ok || err != nil || strconv.Itoa(channel) != name || len(parts) != 3 {
		return Input{}, wrong
	}
	if channel < 0 || channel >= Channels {
		return Input{}, hub.FieldErrorf("topic", "the converter has the inputs ADC0 to ADC%d", Channels-1)
	}
	offset, err1 := strconv.ParseFloat(parts[1], 64)
	gain, err2 := strconv.ParseFloat(parts[2], 64)
	if errors.Join(err1, err2) != nil || gain == 0 || math.Abs(offset) > 1e6 || math.Abs(gain) > 1e6 || math.IsNaN(offset+gain) {
		return Input{}, wrong
	}
	return Input{channel, Calibration{offset, gain}}, nil
}

// InputsConfig is what Inputs are made of.
type InputsConfig struct {
	Clock     hub.Clock
	Logger    *slog.Logger // nil: none
	Report    func(hub.Report)
	Condition func(hub.Condition, string)
	Conn      Conn // nil: /dev/spidev0.0, opened when the first device needs it
}

// Inputs reads the devices of hub.FamilyGPIO that are analog inputs. All
// methods are safe for concurrent use.
type Inputs struct {
	cfg InputsConfig

	mu      sync.Mutex
	inputs  map[string]Input // by device
	adc     *ADC             // nil until it could be opened
	failing string           // why it could not be read; "" while it can
	told    bool             // the condition was told at least once
}

// NewInputs makes Inputs without a device.
func NewInputs(cfg InputsConfig) *Inputs {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Report == nil {
		cfg.Report = func(hub.Report) {}
	}
	if cfg.Condition == nil {
		cfg.Condition = func(hub.Condition, string) {}
	}
	return &Inputs{cfg: cfg, inputs: map[string]Input{}}
}

// SetDevices takes over what devices there are.
func (n *Inputs) SetDevices(devices []hub.Device) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.inputs = map[string]Input{}
	for _, d := range devices {
		if d.Family != hub.FamilyGPIO || !IsInput(d.Topic) {
			continue
		}
		in, err := ParseInput(d.Topic)
		if err != nil {
			n.cfg.Logger.Warn("an analog input can not be used", "device", d.ID, "err", err)
			continue
		}
		n.inputs[d.ID] = in
	}
}

// Run reads every input once a second until ctx ends. A converter that is not
// there is a line on the status page and is looked for again.
func (n *Inputs) Run(ctx context.Context) error {
	tick := n.cfg.Clock.Ticker(max(inputEvery, n.cfg.Clock.House(inputEvery/10)))
	defer tick.Stop()
	for {
		n.read()
		select {
		case <-ctx.Done():
			n.mu.Lock()
			defer n.mu.Unlock()
			if n.adc == nil {
				return nil
			}
			return n.adc.Close()
		case <-tick.C:
		}
	}
}

// read reports every input once.
func (n *Inputs) read() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.inputs) == 0 {
		return
	}
	var failed error
	for id, in := range n.inputs {
		r := hub.Report{Device: id, At: n.cfg.Clock.Now(), Has: hub.ReportOnline}
		raw, err := n.raw(in.Channel)
		if err != nil {
			failed = err
		} else {
			w := math.Round(in.Calibration.Value(raw))
			r.Has, r.Online, r.Power = r.Has|hub.ReportPower, true, hub.Watt(max(-1e6, min(1e6, w)))
		}
		n.cfg.Report(r)
	}
	n.tell(failed)
}

// raw reads one channel, of a converter that is opened when it is needed.
func (n *Inputs) raw(channel int) (int, error) {
	if n.adc == nil {
		adc, err := NewADC(ADCConfig{Conn: n.cfg.Conn})
		if err != nil {
			return 0, err
		}
		n.adc = adc
	}
	return n.adc.Raw(channel)
}

// tell says how the inputs are when that changed; n.mu is held.
func (n *Inputs) tell(failed error) {
	reason := ""
	if failed != nil {
		reason = fmt.Sprint(failed)
	}
	if n.told && reason == n.failing {
		return
	}
	n.failing, n.told = reason, true
	if failed != nil {
		n.cfg.Condition(hub.Down, reason)
	} else {
		n.cfg.Condition(hub.OK, "")
	}
}
