package scheduler

import (
	"fmt"
	"io"
	"math"
	"sort"
	"strings"
)

// SVG draws a plan: import price as steps on top; below it base load, loads and battery charging stacked upwards, discharging and PV downwards; at
// the bottom the battery's content. It is readable on a light and on a dark page and needs no script.
func SVG(w io.Writer, p *Problem, plan *Plan) {
	ev, err := p.Evaluate(plan)
	if err != nil || p.Slots == 0 {
		fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 40"><text x="8" y="24">no plan</text></svg>`)
		return
	}
	d := &drawing{w: w, p: p, plan: plan, ev: &ev, powers: loadPowers(p, newHouse(p), plan), step: 880 / float64(p.Slots)}
	d.draw()
}

// The layout of the picture, in its own units.
const (
	svgLeft, svgWidth  = 60., 880.
	priceTop, priceLen = 20., 110.
	powerTop, powerLen = 160., 220.
	storeTop, storeLen = 410., 70.
)

// loadColour is the hue of a load, told apart by people who see colours differently (Okabe and Ito), mid-toned for light and dark pages alike.
func loadColour(i int) string {
	return [...]string{"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b0a000"}[i%7]
}

type drawing struct {
	w      io.Writer
	p      *Problem
	plan   *Plan
	ev     *Evaluation
	powers [][]float64
	step   float64
}

func (d *drawing) f(format string, args ...any) { fmt.Fprintf(d.w, format, args...) }

func (d *drawing) x(t int) float64 { return svgLeft + float64(t)*d.step }

func (d *drawing) draw() {
	height := 520 + 18*((len(d.p.Loads)+2+4)/5)
	d.f(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 %d" role="img" font-family="system-ui,sans-serif" font-size="12">`, height)
	d.f(`<title>%s</title>`, escape(fmt.Sprintf("plan %s: %.2f EUR", d.p.Name, d.ev.Cost)))
	d.f(`<style>.ink{fill:#333}.line{stroke:#888;stroke-width:.5}.price{fill:none;stroke:#c0392b;stroke-width:1.5}.base{fill:#999}.pv{fill:#f1c40f}` +
		`.bat{fill:#27ae60}.soc{fill:#27ae60;fill-opacity:.35;stroke:#27ae60}.grid{fill:none;stroke:#333;stroke-width:1}` +
		`@media (prefers-color-scheme:dark){.ink{fill:#ddd}.price{stroke:#ff7f6e}.grid{stroke:#eee}}</style>`)
	d.prices()
	d.hours()
	d.stack()
	d.content()
	d.legend()
	d.f("</svg>\n")
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}

// scale maps lo..hi onto the strip that begins at top and is length high, upside down.
func scale(lo, hi, top, length float64) func(float64) float64 {
	if hi <= lo {
		hi = lo + 1
	}
	return func(v float64) float64 { return top + length*(hi-v)/(hi-lo) }
}

func (d *drawing) prices() {
	lo, hi := 0., 0.
	for _, v := range d.p.Import {
		if !math.IsNaN(v) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	y := scale(lo, hi, priceTop, priceLen)
	d.f(`<text class="ink" x="4" y="14">EUR/kWh</text>`)
	d.axis(y, lo, hi, "%.2f")
	d.f(`<path class="price" d="`)
	pen := "M"
	for t, v := range d.p.Import {
		if math.IsNaN(v) {
			pen = "M"
			continue
		}
		d.f("%s%.1f %.1fH%.1f", pen, d.x(t), y(v), d.x(t+1))
		pen = "L"
	}
	d.f(`"/>`)
}

// axis draws three lines with their values.
func (d *drawing) axis(y func(float64) float64, lo, hi float64, format string) {
	marks := []float64{lo, hi}
	if lo < 0 && hi > 0 {
		marks = append(marks, 0)
	}
	for _, v := range marks {
		d.f(`<path class="line" d="M%.0f %.1fH%.0f"/><text class="ink" x="%.0f" y="%.1f" text-anchor="end">`+format+`</text>`,
			svgLeft, y(v), svgLeft+svgWidth, svgLeft-4, y(v)+4, v)
	}
}

func (d *drawing) hours() {
	c := d.p.clock()
	every := 4 * max(1, d.p.Slots/48)
	for t := 0; t < d.p.Slots; t++ {
		if at := c.at(t); at.Minute() == 0 && at.Hour()*4%every == 0 {
			d.f(`<path class="line" d="M%.1f %.0fV%.0f"/><text class="ink" x="%.1f" y="%.0f" text-anchor="middle">%s</text>`,
				d.x(t), priceTop, storeTop+storeLen, d.x(t), storeTop+storeLen+16, at.Format("15h"))
		}
	}
}

// bars are one layer of the stack.
type bars struct {
	name, style string
	w           []float64
}

func (d *drawing) layers() (up, down []bars) {
	n := d.p.Slots
	up = append(up, bars{"base load", `class="base"`, d.p.BaseLoad})
	for i, l := range d.p.Loads {
		up = append(up, bars{l.ID, `fill="` + loadColour(i) + `"`, d.powers[i]})
	}
	down = append(down, bars{"sun", `class="pv"`, d.p.PV})
	if len(d.plan.BatteryW) == n {
		in, out := make([]float64, n), make([]float64, n)
		for t, w := range d.plan.BatteryW {
			in[t], out[t] = max(0, w), max(0, -w)
		}
		up = append(up, bars{"battery", `class="bat"`, in})
		down = append(down, bars{"", `class="bat"`, out})
	}
	return up, down
}

func (d *drawing) stack() {
	up, down := d.layers()
	top := func(layers []bars) float64 {
		most := 1.
		for t := range d.p.Slots {
			sum := 0.
			for _, l := range layers {
				sum += l.w[t]
			}
			most = max(most, sum)
		}
		return most
	}
	hi, lo := top(up), -top(down)
	y := scale(lo, hi, powerTop, powerLen)
	d.f(`<text class="ink" x="4" y="%.0f">W</text>`, powerTop-8)
	d.axis(y, lo, hi, "%.0f")
	for side, layers := range [2][]bars{up, down} {
		sign := float64(1 - 2*side)
		at := make([]float64, d.p.Slots)
		for _, l := range layers {
			d.f(`<path %s d="`, l.style)
			for t, w := range l.w {
				if w > 0 {
					a, b := y(sign*at[t]), y(sign*(at[t]+w))
					d.f("M%.1f %.1fV%.1fH%.1fV%.1fZ", d.x(t), a, b, d.x(t+1), a)
					at[t] += w
				}
			}
			d.f(`"/>`)
		}
	}
	d.f(`<path class="grid" d="`)
	for t, g := range d.ev.GridW {
		d.f("%s%.1f %.1fH%.1f", [2]string{"L", "M"}[b2i(t == 0)], d.x(t), y(min(max(g, lo), hi)), d.x(t+1))
	}
	d.f(`"/>`)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (d *drawing) content() {
	if d.p.Battery == nil {
		return
	}
	y := scale(0, d.p.Battery.MaxWh/1000, storeTop, storeLen)
	d.f(`<text class="ink" x="4" y="%.0f">kWh</text>`, storeTop-8)
	d.axis(y, 0, d.p.Battery.MaxWh/1000, "%.1f")
	d.f(`<path class="soc" d="M%.1f %.1f`, d.x(0), y(0))
	d.f("L%.1f %.1f", d.x(0), y(d.p.Battery.StartWh/1000))
	for t, wh := range d.ev.ContentWh {
		d.f("L%.1f %.1f", d.x(t+1), y(wh/1000))
	}
	d.f(`V%.1fZ"/>`, y(0))
}

func (d *drawing) legend() {
	up, down := d.layers()
	names := append(up, down...)
	names = append(names, bars{"grid", `class="ink"`, nil})
	sort.SliceStable(names, func(a, b int) bool { return names[a].name != "" && names[b].name == "" })
	for i, l := range names {
		if l.name == "" {
			break
		}
		x, y := svgLeft+float64(i%5)*175, 520.+float64(i/5)*18
		d.f(`<rect %s x="%.0f" y="%.0f" width="10" height="10"/><text class="ink" x="%.0f" y="%.0f">%s</text>`, l.style, x, y-9, x+14, y, escape(l.name))
	}
}
