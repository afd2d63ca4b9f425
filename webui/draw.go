package webui

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
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
	top := func(i int) float64 { return zero - float64(slots[i].Import)*scale }
	priced := func(i int) bool { return slots[i].Known }
	planned := func(i int) bool { return slots[i].Known && inRuns(runs, slots[i].Start) }
	beneath := func(int) float64 { return stripHigh + 3 }
	var out strings.Builder
	fmt.Fprintf(&out, `<svg class="strip" viewBox="0 0 %d %d" role="img" aria-label="%s"><path class="bars" d="%s"/><path class="chosen" d="%s%s"/>`,
		drawWidth, stripHigh+22, template.HTMLEscapeString(l.stripText(slots, runs, now)),
		staircase(len(slots), step, zero, top, priced), staircase(len(slots), step, zero, top, planned), staircase(len(slots), step, stripHigh+7, beneath, planned))
	out.WriteString(hours(first, len(slots), step, stripHigh+19, now.Location()))
	low, high := extremes(slots)
	fmt.Fprintf(&out, `</svg><p class="hint cap">%s</p>`, template.HTMLEscapeString(l.T("strip.cap", l.price(low.Import), l.price(high.Import))))
	return template.HTML(out.String()) //nolint:gosec // numbers and escaped text of ours only
}

// staircase is the area between foot and the height of each of n slots that pick
// picks. Slots of one height in a row are one step.
func staircase(n int, wide, foot float64, height func(i int) float64, pick func(i int) bool) string {
	var out strings.Builder
	for i := 0; i < n; i++ {
		if !pick(i) {
			continue
		}
		out.WriteString("M" + short(float64(i)*wide) + " " + short(foot))
		for i < n && pick(i) {
			y := short(height(i))
			for i < n && pick(i) && short(height(i)) == y {
				i++
			}
			out.WriteString("V" + y + "H" + short(float64(i)*wide))
		}
		out.WriteString("V" + short(foot) + "z")
	}
	return out.String()
}

// short is a length with one decimal: a tenth of a phone's pixel.
func short(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
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
	var p pen
	last := 0.0
	for _, pt := range points {
		if !pt.OK {
			p.close(last, zero)
			continue
		}
		if last = x(pt.At); !p.down {
			p.to(last, zero)
		}
		p.to(last, zero+pt.Value*scale)
	}
	p.close(last, zero)
	return p.path.String()
}

func line(points []Point, x func(time.Time) float64, zero, scale float64) string {
	var p pen
	for _, pt := range points {
		if pt.OK {
			p.to(x(pt.At), zero+pt.Value*scale)
		} else {
			p.down = false
		}
	}
	return p.path.String()
}

// pen writes a path in tenths, each point from the one before: that is what
// packs best.
type pen struct {
	path strings.Builder
	down bool
	x, y float64
}

func (p *pen) to(x, y float64) {
	x, y = math.Round(x*10)/10, math.Round(y*10)/10
	if p.down {
		fmt.Fprintf(&p.path, "l%s %s", short(x-p.x), short(y-p.y))
	} else {
		fmt.Fprintf(&p.path, "M%s %s", short(x), short(y))
	}
	p.x, p.y, p.down = x, y, true
}

// close goes back to the height that the area began at.
func (p *pen) close(x, y float64) {
	if p.down {
		p.to(x, y)
		p.path.WriteString("z")
		p.down = false
	}
}
