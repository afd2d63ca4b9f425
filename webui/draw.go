package webui

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"time"

	"homehub/hub"
)

// Pictures that need no chart library: small SVGs, drawn here, with their
// meaning in words beside them. No text from outside goes into one.

const (
	drawWidth  = 340 // of a picture, in SVG units: about a phone's pixels
	stripHigh  = 44  // of the price strip's highest bar
	stripSpan  = 36 * time.Hour
	curveHigh  = 96
	curveSteps = 144 // of a day: one per 10 minutes
)

// strip draws the prices from now on as bars and the planned quarters among
// them: filled, and with a line beneath, so that colour is not needed to see
// them. It is "" where no price is known.
func (l locale) strip(slots []hub.Slot, runs []hub.Run, now time.Time) template.HTML {
	first := hub.SlotStart(now)
	slots = slices.DeleteFunc(slices.Clone(slots), func(s hub.Slot) bool { return s.Start.Before(first) || s.Start.Sub(first) >= stripSpan })
	var lo, hi hub.MicroEuro
	known := false
	for _, s := range slots {
		if s.Known {
			lo, hi, known = min(lo, s.Import), max(hi, s.Import), true
		}
	}
	if !known {
		return ""
	}
	scale := float64(stripHigh-2) / math.Max(1, float64(hi-lo))
	step := float64(drawWidth) / float64(len(slots))
	zero := 2 + float64(hi)*scale
	var bars, chosen, marks strings.Builder
	for i, s := range slots {
		if !s.Known {
			continue
		}
		x, top := float64(i)*step, zero-float64(s.Import)*scale
		to := &bars
		if inRuns(runs, s.Start) {
			to = &chosen
			fmt.Fprintf(&marks, "M%.4g %dh%.4g", x, stripHigh+5, step)
		}
		fmt.Fprintf(to, "M%.4g %.4gV%.4g", x+step/2, zero, top)
	}
	var out strings.Builder
	fmt.Fprintf(&out, `<svg class="strip" viewBox="0 0 %d %d" role="img" aria-label="%s"><g stroke-width="%.2f"><path class="bars" d="%s"/><path class="chosen" d="%s"/></g><path class="marks" d="%s"/>`,
		drawWidth, stripHigh+22, template.HTMLEscapeString(l.stripText(slots, runs, now)), step*0.86, bars.String(), chosen.String(), marks.String())
	out.WriteString(hours(first, len(slots), step, stripHigh+19, now.Location()))
	low, high := extremes(slots)
	fmt.Fprintf(&out, `</svg><p class="hint cap">%s</p>`, template.HTMLEscapeString(l.T("strip.cap", l.price(low.Import), l.price(high.Import))))
	return template.HTML(out.String()) //nolint:gosec // numbers and escaped text of ours only
}

// hours writes the hour every six hours under a strip.
func hours(first time.Time, n int, step float64, y int, zone *time.Location) string {
	var out strings.Builder
	for i := range n {
		at := first.Add(time.Duration(i) * hub.SlotLength).In(zone)
		if at.Minute() == 0 && at.Hour()%6 == 0 {
			x := min(max(float64(i)*step, 13), drawWidth-13)
			fmt.Fprintf(&out, `<text x="%.0f" y="%d">%s</text>`, x, y, clock(at))
		}
	}
	return out.String()
}

func inRuns(runs []hub.Run, at time.Time) bool {
	return slices.ContainsFunc(runs, func(r hub.Run) bool { return !at.Before(r.Start) && at.Before(r.End) })
}

// extremes are the first cheapest and the first dearest of the known slots.
func extremes(slots []hub.Slot) (low, high hub.Slot) {
	for _, s := range slots {
		if !s.Known {
			continue
		}
		if !low.Known || s.Import < low.Import {
			low = s
		}
		if !high.Known || s.Import > high.Import {
			high = s
		}
	}
	return low, high
}

// stripText says in words what the strip shows.
func (l locale) stripText(slots []hub.Slot, runs []hub.Run, now time.Time) string {
	low, high := extremes(slots)
	text := l.T("strip.text", l.price(low.Import), l.near(low.Start.In(now.Location()), now), l.price(high.Import), l.near(high.Start.In(now.Location()), now))
	for _, r := range runs {
		text += " " + l.T("strip.run", l.near(r.Start.In(now.Location()), now), l.near(r.End.In(now.Location()), now))
	}
	return text
}

// light is the third of the known prices of the next day that the price at
// now is in: cheap, normal, dear, or "" where they are all the same or
// unknown.
func light(slots []hub.Slot, now time.Time) (name string, price hub.MicroEuro) {
	first := hub.SlotStart(now)
	var all []hub.MicroEuro
	found := false
	for _, s := range slots {
		if !s.Known || s.Start.Before(first) || s.Start.Sub(first) >= 24*time.Hour {
			continue
		}
		if s.Start.Equal(first) {
			price, found = s.Import, true
		}
		all = append(all, s.Import)
	}
	if !found {
		return "", 0
	}
	lo, hi := slices.Min(all), slices.Max(all)
	switch {
	case lo == hi:
		return "", price
	case price-lo < (hi-lo)/3:
		return "cheap", price
	case hi-price < (hi-lo)/3:
		return "dear", price
	}
	return "normal", price
}

// curve draws a day: what came from the grid above the line and what went to
// it below, and the sun as a line. from and to bound the local day.
func (l locale) curve(from, to time.Time, imports, exports, solar []Point) template.HTML {
	top, bottom := 500.0, 0.0 // W; a quiet day is not blown up
	for _, list := range [...]struct {
		points []Point
		v      *float64
	}{{imports, &top}, {solar, &top}, {exports, &bottom}} {
		for _, p := range list.points {
			if p.OK {
				*list.v = math.Max(*list.v, p.Value)
			}
		}
	}
	scale := curveHigh / (top + bottom)
	zero := top * scale
	x := func(at time.Time) float64 {
		return float64(at.Sub(from)) / float64(to.Sub(from)) * drawWidth
	}
	var out strings.Builder
	fmt.Fprintf(&out, `<svg class="curve" viewBox="0 0 %d %d" aria-hidden="true">`, drawWidth, curveHigh+18)
	fmt.Fprintf(&out, `<path class="imp" d="%s"/><path class="exp" d="%s"/><path class="sun" d="%s"/>`,
		area(imports, x, zero, -scale), area(exports, x, zero, scale), line(solar, x, zero, -scale))
	fmt.Fprintf(&out, `<path class="axis" d="M0 %.4gH%d"/>`, zero, drawWidth)
	for h := 0; h < 24; h += 6 {
		at := hub.LocalTime(h * 60).On(from)
		fmt.Fprintf(&out, `<text x="%.0f" y="%d">%s</text>`, math.Max(x(at), 13), curveHigh+14, clock(at))
	}
	out.WriteString(`</svg>`)
	return template.HTML(out.String()) //nolint:gosec // numbers of ours only
}

// area fills between a list of points and the zero line, and leaves gaps.
func area(points []Point, x func(time.Time) float64, zero, scale float64) string {
	var b strings.Builder
	last := -1.0
	for i, p := range points {
		if !p.OK {
			if last >= 0 {
				fmt.Fprintf(&b, "L%.4g %.4gz", last, zero)
			}
			last = -1
			continue
		}
		at := x(p.At)
		if last < 0 {
			fmt.Fprintf(&b, "M%.4g %.4g", at, zero)
		}
		fmt.Fprintf(&b, "L%.4g %.4g", at, zero+p.Value*scale)
		last = at
		if i == len(points)-1 {
			fmt.Fprintf(&b, "L%.4g %.4gz", at, zero)
		}
	}
	return b.String()
}

func line(points []Point, x func(time.Time) float64, zero, scale float64) string {
	var b strings.Builder
	on := false
	for _, p := range points {
		if p.OK {
			fmt.Fprintf(&b, "%s%.4g %.4g", map[bool]string{true: "L", false: "M"}[on], x(p.At), zero+p.Value*scale)
		}
		on = p.OK
	}
	return b.String()
}
