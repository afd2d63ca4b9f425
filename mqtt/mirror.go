package mqtt

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"homehub/hub"
)

const (
	mirrorPrefix = "homehub/"
	statusTopic  = mirrorPrefix + "status"
	// mirrorPause is the least real time between two rounds of the mirror.
	mirrorPause = 100 * time.Millisecond
)

// Live is what the mirror shows. *hub.Hub is one.
type Live interface {
	Snapshot() hub.Snapshot
	Subscribe() *hub.Subscription
}

// Mirror publishes what is true, retained: each feed as a plain number on
// homehub/<feed>, each device on homehub/<device>/state and all of it on
// homehub/live as JSON, the limit from outside that is in force on
// homehub/limit, and the description of feeds and devices for Home Assistant.
// It sends what changed, at most ten times a second of machine time,
// until ctx ends. homehub/status is online meanwhile; only a killed hub leaves
// it so, but then the broker that would say it is gone as well.
func (b *Broker) Mirror(ctx context.Context, live Live) error {
	sub := live.Subscribe()
	defer sub.Close()
	shown := map[string]string{}
	pause := time.NewTimer(0)
	defer pause.Stop()
	if err := b.Publish(statusTopic, []byte("online"), true); err != nil {
		return err
	}
	defer func() { b.send(message{topic: statusTopic, payload: []byte("offline"), retain: true}) }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
		snapshot := live.Snapshot()
		now := mirrored(snapshot)
		for topic := range shown {
			if _, stays := now[topic]; !stays && strings.HasSuffix(topic, stateSuffix) { // a device that was removed
				b.send(message{topic: topic, retain: true})
				delete(shown, topic)
			}
		}
		for topic, payload := range now {
			if old, ok := shown[topic]; ok && old == payload {
				continue
			}
			if err := b.Publish(topic, []byte(payload), true); err != nil {
				return err
			}
			shown[topic] = payload
		}
		pause.Reset(mirrorPause)
		select {
		case <-ctx.Done():
			return nil
		case <-sub.C():
		case <-limitOver(snapshot, b.cfg.Clock):
		case <-b.births:
			delete(shown, discoveryTopic)
		}
	}
}

// mirrored is all topics of the mirror and what is on them.
func mirrored(s hub.Snapshot) map[string]string {
	topics := map[string]string{}
	put := func(feed string, v int64) { topics[mirrorPrefix+feed] = strconv.FormatInt(v, 10) }
	if s.HasReading {
		mirrorReading(s, put)
	}
	if s.HasSolar {
		put(hub.FeedSolar, int64(s.Solar))
	}
	for _, d := range s.Devices {
		topics[mirrorPrefix+d.ID+stateSuffix] = string(encode(stateOf(d, s.At)))
		if d.Has&hub.ReportPower != 0 {
			put(hub.DevicePowerFeed(d.ID), int64(d.Watts))
		}
		if d.Has&hub.ReportEnergy != 0 {
			put(hub.DeviceEnergyFeed(d.ID), int64(d.Counter))
		}
		if d.Has&hub.ReportTemp != 0 {
			topics[mirrorPrefix+hub.DeviceTempFeed(d.ID)] = d.Temp.String()
		}
	}
	if len(topics) > 0 {
		if config, err := discovered(topics, s.Devices); err == nil {
			topics[discoveryTopic] = config
		}
	}
	topics[limitTopic] = limitOf(s)
	if all, err := json.Marshal(liveOf(s)); err == nil {
		topics[mirrorPrefix+"live"] = string(all)
	}
	return topics
}

func mirrorReading(s hub.Snapshot, put func(feed string, v int64)) {
	r := s.Reading
	for _, v := range []struct {
		has   hub.Has
		feed  string
		value int64
	}{
		{hub.HasImport, hub.FeedImport, int64(r.Import)},
		{hub.HasImport, hub.FeedExport, int64(r.Export)},
		{hub.HasImport, hub.FeedHouse, int64(s.House)},
		{hub.HasImportT1, hub.FeedImportT1, int64(r.ImportT1)},
		{hub.HasImportT2, hub.FeedImportT2, int64(r.ImportT2)},
		{hub.HasExportT1, hub.FeedExportT1, int64(r.ExportT1)},
		{hub.HasExportT2, hub.FeedExportT2, int64(r.ExportT2)},
		{hub.HasGas, hub.FeedGas, r.Gas},
	} {
		if r.Has&v.has != 0 {
			put(v.feed, v.value)
		}
	}
	for i := range min(int(r.PhaseCount), len(r.Phases)) {
		p, line := r.Phases[i], "l"+strconv.Itoa(i+1)
		if r.Has&hub.HasPhasePower != 0 {
			put(line+"_import_w", int64(p.Import))
			put(line+"_export_w", int64(p.Export))
		}
		if r.Has&hub.HasCurrent != 0 {
			put(line+"_ma", int64(p.Current))
		}
		if r.Has&hub.HasVoltage != 0 {
			put(line+"_dv", int64(p.Voltage))
		}
	}
}

// stateSuffix ends the topic of one device.
const stateSuffix = "/state"

// deviceState is the JSON on homehub/<device>/state.
type deviceState struct {
	Name      string            `json:"name"`
	Mode      hub.Mode          `json:"mode"`
	Until     time.Time         `json:"until,omitzero"` // end of the mode
	Online    bool              `json:"online"`
	On        bool              `json:"on"`
	Commanded *bool             `json:"commanded,omitempty"` // what it was last told; on is what it says
	Fails     bool              `json:"fails,omitempty"`     // it does not follow in spite of retries
	Amps      int               `json:"amps,omitempty"`
	Plugged   *bool             `json:"plugged,omitempty"`
	SoC       *int              `json:"soc,omitempty"`
	Temp      *hub.MilliCelsius `json:"temp_c,omitempty"`
	Power     *hub.Watt         `json:"power_w,omitempty"`
	Energy    hub.WattHour      `json:"energy_wh,omitempty"`
}

func stateOf(d hub.DeviceState, now time.Time) deviceState {
	s := deviceState{
		Name: d.Name, Mode: d.ModeAt(now), Online: d.Online, On: d.On, Fails: d.Mismatch, Amps: d.Amps, Energy: d.Counter,
	}
	if s.Mode != hub.ModeAuto {
		s.Until = d.ModeUntil
	}
	if !d.Commanded.At.IsZero() {
		s.Commanded = &d.Commanded.On
	}
	if d.Has&hub.ReportPlugged != 0 {
		s.Plugged = &d.Plugged
	}
	if d.Has&hub.ReportSoC != 0 {
		s.SoC = &d.SoC
	}
	if d.Has&hub.ReportTemp != 0 {
		s.Temp = &d.Temp
	}
	if d.Has&hub.ReportPower != 0 {
		s.Power = &d.Watts
	}
	return s
}

// live is the JSON on homehub/live. What is not known is left out.
type live struct {
	At       time.Time    `json:"at,omitzero"` // of the reading
	Stale    bool         `json:"stale"`       // the meter went silent
	Import   *hub.Watt    `json:"import_w,omitempty"`
	Export   *hub.Watt    `json:"export_w,omitempty"`
	House    *hub.Watt    `json:"house_w,omitempty"`
	Solar    *hub.Watt    `json:"solar_w,omitempty"`
	ImportT1 hub.WattHour `json:"import_t1_wh,omitempty"`
	ImportT2 hub.WattHour `json:"import_t2_wh,omitempty"`
	ExportT1 hub.WattHour `json:"export_t1_wh,omitempty"`
	ExportT2 hub.WattHour `json:"export_t2_wh,omitempty"`
	Devices  []liveDevice `json:"devices"`
}

// liveDevice is one device in it.
type liveDevice struct {
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	Online bool      `json:"online"`
	On     bool      `json:"on"`
	Power  *hub.Watt `json:"power_w,omitempty"`
}

func liveOf(s hub.Snapshot) live {
	r := s.Reading
	l := live{Stale: s.Stale, Devices: []liveDevice{}}
	if s.HasReading {
		l.At = r.At
		l.ImportT1, l.ImportT2, l.ExportT1, l.ExportT2 = r.ImportT1, r.ImportT2, r.ExportT1, r.ExportT2
		if r.Has&hub.HasImport != 0 {
			l.Import, l.Export, l.House = &r.Import, &r.Export, &s.House
		}
	}
	if s.HasSolar {
		l.Solar = &s.Solar
	}
	for _, d := range s.Devices {
		one := liveDevice{ID: d.ID, Name: d.Name, Online: d.Online, On: d.On}
		if d.Has&hub.ReportPower != 0 {
			one.Power = &d.Watts
		}
		l.Devices = append(l.Devices, one)
	}
	return l
}
