package main

import (
	"math"
	"time"

	"homehub/hub"
	"homehub/scheduler"
	"homehub/tsdb"
)

const (
	// heatStep is how finely the past of a heater is read, and heatGap the
	// longest silence that is bridged: a Zigbee sensor in a room where nothing
	// changes speaks once an hour.
	heatStep = 5 * time.Minute
	heatGap  = int(90 * time.Minute / heatStep)
)

// heatPast reads what heaters did out of the feeds.
type heatPast struct{ db *tsdb.DB }

// Heat is a heater's past in quarters of an hour. What it draws says how much it
// was on; of one that does not measure it, the hub has recorded that.
func (p heatPast) Heat(heater hub.Device, sensor string, from, to time.Time) []scheduler.HeatSample {
	temps, any := p.steps(hub.DeviceTempFeed(sensor), from, to)
	if !any {
		return nil
	}
	duty, metered := p.steps(hub.DevicePowerFeed(heater.ID), from, to)
	full := float64(heater.Power)
	if !metered {
		duty, _ = p.steps(hub.DeviceDutyFeed(heater.ID), from, to)
		full = 100 // per cent
	}
	if full == 0 {
		for _, w := range duty {
			if w > full { // which NaN never is
				full = w
			}
		}
	}
	bridge(temps)
	hold(duty)
	return heatSamples(from, temps, duty, full)
}

// steps are the means of a feed by heatStep, NaN where it has none.
func (p heatPast) steps(feed string, from, to time.Time) (means []float64, any bool) {
	means = make([]float64, int(to.Sub(from)/heatStep))
	for i := range means {
		means[i] = math.NaN()
	}
	points, err := p.db.Query(feed, tsdb.Query{Start: from, End: to, Step: heatStep, Of: tsdb.Mean})
	if err != nil {
		return means, false // there is no such feed
	}
	for _, point := range points {
		if i := int(point.At.Sub(from) / heatStep); point.OK && i >= 0 && i < len(means) {
			means[i], any = point.Value, true
		}
	}
	return means, any
}

// bridge draws straight lines over short silences.
func bridge(v []float64) {
	last := -1
	for i := range v {
		if math.IsNaN(v[i]) {
			continue
		}
		if gap := i - last; last >= 0 && gap > 1 && gap <= heatGap {
			for k := last + 1; k < i; k++ {
				v[k] = v[last] + (v[i]-v[last])*float64(k-last)/float64(gap)
			}
		}
		last = i
	}
}

// hold keeps what was said last over short silences: a relay that says nothing
// stays as it is.
func hold(v []float64) {
	last := -1
	for i := range v {
		switch {
		case !math.IsNaN(v[i]):
			last = i
		case last >= 0 && i-last <= heatGap:
			v[i] = v[last]
		}
	}
}

// heatSamples makes quarters of steps: the temperature at the beginning lies
// between two of them.
func heatSamples(from time.Time, temps, duty []float64, full float64) []scheduler.HeatSample {
	const each = int(hub.SlotLength / heatStep)
	var past []scheduler.HeatSample
	for i := 0; i+each <= len(temps); i += each {
		s := scheduler.HeatSample{Start: from.Add(time.Duration(i) * heatStep), Temp: temps[i]}
		if i > 0 && !math.IsNaN(temps[i-1]) {
			s.Temp = (temps[i-1] + temps[i]) / 2
		}
		for k := range each {
			s.Duty += duty[i+k] / full / float64(each)
		}
		past = append(past, s)
	}
	return past
}
