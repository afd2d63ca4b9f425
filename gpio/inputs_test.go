package gpio

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"homehub/hub"
)

func TestParseInput(t *testing.T) {
	for topic, want := range map[string]Input{
		"ADC0,0,1":        {0, Calibration{0, 1}},
		"ADC7,-12.5,2.44": {7, Calibration{-12.5, 2.44}},
	} {
		if got, err := ParseInput(topic); err != nil || got != want || !IsInput(topic) {
			t.Errorf("%s: %+v %v", topic, got, err)
		}
	}
	for _, topic := range []string{"ADC8,0,1", "ADC-1,0,1", "ADC00,0,1", "ADC0", "ADC0,0", "ADC0,0,0", "ADC0,x,1", "ADC0,NaN,1", "ADC0,Inf,1", "ADC0,0,1,2", "GPIO17"} {
		if _, err := ParseInput(topic); hub.CodeOf(err) != hub.Invalid {
			t.Errorf("%s: %v", topic, err)
		}
	}
}

// converter is an MCP3008 with one value on every channel.
type converter struct {
	mu  sync.Mutex
	raw int
	err error
}

func (c *converter) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *converter) Tx(_, r []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	r[1], r[2] = byte(c.raw>>8), byte(c.raw)
	return c.err
}

func TestInputsAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards what both goroutines touch
		var reports []hub.Report
		var conditions []string
		chip := &converter{raw: 1000}
		n := NewInputs(InputsConfig{
			Conn: chip, Report: func(r hub.Report) {
				mu.Lock()
				defer mu.Unlock()
				reports = append(reports, r)
			},
			Condition: func(c hub.Condition, reason string) {
				mu.Lock()
				defer mu.Unlock()
				conditions = append(conditions, string(c)+" "+reason)
			},
		})
		n.SetDevices([]hub.Device{
			{ID: "heater", Family: hub.FamilyGPIO, Role: hub.RoleMeter, Topic: "ADC3,-100,2.5"},
			{ID: "relay", Family: hub.FamilyGPIO, Role: hub.RolePlug, Topic: "GPIO17"},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- n.Run(ctx) }()
		step := func() hub.Report {
			time.Sleep(inputEvery)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return reports[len(reports)-1]
		}
		if r := step(); r.Device != "heater" || r.Power != 2400 || !r.Online || r.Has != hub.ReportOnline|hub.ReportPower {
			t.Errorf("report %+v", r)
		}
		chip.fail(errors.New("no answer"))
		if r := step(); r.Online || r.Has&hub.ReportPower != 0 {
			t.Errorf("of a converter that does not answer: %+v", r)
		}
		chip.fail(nil)
		if r := step(); !r.Online {
			t.Errorf("it is back: %+v", r)
		}
		if got := strings.Join(conditions, "|"); !strings.HasPrefix(got, "ok |down ") || !strings.HasSuffix(got, "|ok ") || len(conditions) != 3 {
			t.Errorf("conditions %q", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
