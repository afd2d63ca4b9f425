package scheduler

import "math"

// runPlanner finds the cheapest levels of a switched device for given slot prices, exactly: minimum runs, start costs, whole levels and the need
// included. It first prices the need (a reward per level-slot, by bisection), which gives a bound and the cost to go from every slot and run state;
// a dynamic program over the level-slots delivered then visits only what can still beat the bound by a small margin that grows until it succeeds.
type runPlanner struct {
	d      *device
	w      int       // levels while on
	price  []float64 // row per slot of the window
	states int       // 0 off, k on for k slots, minOn: on for long enough to stop
	toGo   []float64 // (steps+1)·states: relaxed cost to go
	keep   []float64 // toGo at the best reward
	level  []int     // relaxed levels
	corner [][]int16
	buf    []int16
	cost   [2][]float64
	choice []uint32
	net    []float64
	guess  float64 // the last reward that was right; a start for the next
	work   int     // slots and states visited so far
	bare   bool    // without the tie order: a bound must not count it
}

// The tie order in money: far below the resolution of costs, enough to prefer fewer starts and then the earlier slot.
const (
	tieStart = 1e-6  // EUR per start
	tieEarly = 2e-12 // EUR per Wh and slot number
)

func grow[T any](v []T, n int) []T {
	if cap(v) < n {
		return make([]T, n+n/4)[:n]
	}
	return v[:n]
}

func (r *runPlanner) reset(d *device) {
	r.d, r.w, r.states = d, d.hi-d.lo+1, d.minOn+1
	r.price = grow(r.price, (d.to-d.from)*r.w)
}

// row is the prices of the levels lo..hi in slot t, off being free.
func (r *runPlanner) row(t int) []float64 {
	k := (t - r.d.from) * r.w
	return r.price[k : k+r.w]
}

// corners lists, per slot, the levels that can be best for some reward, and adds the tie order to the prices.
func (r *runPlanner) corners() {
	d := r.d
	steps := d.to - d.from
	r.corner = grow(r.corner, steps)
	r.buf = grow(r.buf, steps*r.w)
	n := 0
	for s := range steps {
		row := r.row(d.from + s)
		tie := 0.
		if !r.bare {
			tie = tieEarly * d.unit * slotHours * float64(d.from+s)
		}
		first := n
		for k := range row {
			row[k] += tie * float64(d.lo+k)
		}
		for k, c := range row {
			if math.IsInf(c, 1) {
				continue
			}
			if k > 0 && k+1 < len(row) && math.Abs(row[k+1]-2*c+row[k-1]) < 1e-11 {
				continue
			}
			r.buf[n] = int16(k)
			n++
		}
		r.corner[s] = r.buf[first:n]
	}
}

// relaxed computes the cost to go when each level-slot is rewarded, the bound that follows, and how many level-slots the best path takes.
func (r *runPlanner) relaxed(reward float64, level []int) (bound float64, got int) {
	d, m, st := r.d, r.d.minOn, r.states
	steps := d.to - d.from
	r.work += steps * st
	r.toGo = grow(r.toGo, (steps+1)*st)
	r.level = grow(r.level, steps)
	end := r.toGo[steps*st:]
	for k := range st {
		end[k] = math.Inf(1)
	}
	end[0], end[m] = 0, 0
	for s := steps - 1; s >= 0; s-- {
		now, next := r.toGo[s*st:(s+1)*st], r.toGo[(s+1)*st:(s+2)*st]
		on, at := math.Inf(1), 0
		row := r.price[s*r.w : (s+1)*r.w]
		for _, k := range r.corner[s] {
			if c := row[k] - reward*float64(d.lo+int(k)); c < on {
				on, at = c, int(k)
			}
		}
		r.level[s] = d.lo + at
		for k := 1; k < m; k++ {
			now[k] = on + next[k+1]
		}
		now[m] = min(on+next[m], next[0])
		now[0] = min(r.startCost(s)+on+next[r.afterStart(s)], next[0])
	}
	k := 0
	for s := range steps {
		next := r.toGo[(s+1)*st : (s+2)*st]
		a := 0
		switch {
		case k == 0 && r.toGo[s*st] >= next[0]:
		case k == 0:
			a, k = r.level[s], r.afterStart(s)
		case k == m && r.toGo[s*st+m] >= next[0]:
			k = 0
		default:
			a, k = r.level[s], min(k+1, m)
		}
		got += a
		if level != nil {
			level[d.from+s] = a
		}
	}
	return r.toGo[0] + reward*float64(d.need), got
}

// startCost and afterStart are what it costs to switch on in step s and the run state it leads to; a run from before slot 0 goes on for nothing.
func (r *runPlanner) startCost(s int) float64 {
	if s == 0 && r.d.from == 0 && r.d.firstRun > 0 {
		return 0
	}
	if r.bare {
		return r.d.startEUR
	}
	return r.d.startEUR + tieStart
}

func (r *runPlanner) afterStart(s int) int {
	if s == 0 && r.d.from == 0 && r.d.firstRun > 0 {
		return min(r.d.minOn-r.d.firstRun+1, r.d.minOn)
	}
	return 1
}

// rate is the bound at one reward per level-slot and how many level-slots the relaxed path takes there.
type rate struct {
	at, bound float64
	got       int
}

// rated evaluates a reward and keeps the cost to go of the best bound so far.
func (r *runPlanner) rated(at float64, level []int, best *rate) rate {
	bound, got := r.relaxed(at, level)
	now := rate{at, bound, got}
	if bound > best.bound {
		*best = now
		r.keep = append(r.keep[:0], r.toGo[:(r.d.to-r.d.from+1)*r.states]...)
	}
	return now
}

// reward looks for the price of the need that gives the best bound; it leaves the cost to go there in keep. The bound is concave in the reward, so
// that tangents from both sides meet at the next try. exact says that the relaxed path takes just what is needed, or all it can at the penalty's
// price; level (if not nil) then holds it.
func (r *runPlanner) reward(level []int) (reward, bound float64, exact bool) {
	need := r.d.need
	best := rate{bound: math.Inf(-1)}
	hi := r.rated(r.d.shortEUR, level, &best)
	if hi.got <= need {
		return hi.at, hi.bound, true
	}
	lo := r.rated(min(hi.at, r.guess), level, &best)
	for step := 0.1; lo.got > need; step *= 4 {
		hi = lo
		lo = r.rated(hi.at-step, level, &best)
	}
	for range 40 {
		if lo.got == need {
			r.guess = lo.at
			return lo.at, lo.bound, true
		}
		up, down := float64(need-lo.got), float64(hi.got-need)
		at := (hi.bound - lo.bound + up*lo.at + down*hi.at) / (up + down)
		at = min(max(at, lo.at), hi.at)
		top := lo.bound + up*(at-lo.at)
		mid := r.rated(at, level, &best)
		switch {
		case mid.got > need:
			hi = mid
		default:
			lo = mid
		}
		if lo.got != need && top-mid.bound < 1e-10 {
			break
		}
	}
	r.guess = best.at
	return best.at, best.bound, false
}

// plan writes the cheapest levels.
func (r *runPlanner) plan(d *device, level []int) {
	r.corners()
	reward, bound, exact := r.reward(level)
	if exact {
		return
	}
	for margin := 2e-6; ; margin *= 6 {
		if r.exact(reward, bound+margin, level) || margin > 1e6 {
			return
		}
	}
}

// exact runs the dynamic program over what can cost less than limit; false: nothing can.
func (r *runPlanner) exact(reward, limit float64, level []int) bool {
	d, m, st := r.d, r.d.minOn, r.states
	steps := d.to - d.from
	width := d.need + 1
	inf := math.Inf(1)
	for i := range r.cost {
		r.cost[i] = grow(r.cost[i], st*width)
		for k := range r.cost[i] {
			r.cost[i][k] = inf
		}
	}
	r.choice = grow(r.choice, steps*st*width)
	limit -= reward * float64(d.need)
	cur, next := r.cost[0], r.cost[1]
	cur[0] = 0
	low, top := 0, 0 // least and most delivered so far
	for s := range steps {
		r.work += (top + 1) * st
		first, last := r.exactStep(s, low, top, reward, limit, cur, next)
		for from := range st {
			for k := low; k <= top; k++ {
				cur[from*width+k] = inf
			}
		}
		low, top = first, last
		cur, next = next, cur
	}
	best, bs, bk := limit, -1, 0
	for _, state := range [2]int{0, m} {
		for k := 0; k <= top; k++ {
			if c := cur[state*width+k] + float64(d.need-k)*(d.shortEUR-reward); c < best {
				best, bs, bk = c, state, k
			}
		}
	}
	if bs < 0 {
		return false
	}
	for s := steps - 1; s >= 0; s-- {
		ch := r.choice[s*st*width+bs*width+bk]
		a := int(ch >> 16)
		level[d.from+s] = a
		bs, bk = int(ch&0xffff), bk-a
	}
	return true
}

// exactStep takes the costs of all run states and low to top level-slots delivered through one step and returns the least and the most after it.
func (r *runPlanner) exactStep(s, low, top int, reward, limit float64, cur, next []float64) (first, last int) {
	d, m, st, width := r.d, r.d.minOn, r.states, r.d.need+1
	toGo := r.keep[(s+1)*st : (s+2)*st]
	choice := r.choice[s*st*width : (s+1)*st*width]
	net, saves := r.net[:0], 0. // of each level, its cost less its reward; and how much that saves at most
	for i, p := range r.price[s*r.w : (s+1)*r.w] {
		net = append(net, p-reward*float64(d.lo+i))
		saves = max(saves, -net[i])
	}
	r.net = net
	first = width
	for from := range st {
		was := cur[from*width:][:top+1]
		if from == 0 || from == m {
			most := limit - toGo[0]
			for k := low; k < len(was); k++ {
				if c := was[k]; c <= most && c < next[k] {
					next[k], choice[k] = c, uint32(from)
					first, last = min(first, k), max(last, k)
				}
			}
		}
		to, extra := min(from+1, m), 0.
		if from == 0 {
			to, extra = r.afterStart(s), r.startCost(s)
		}
		most := limit - toGo[to]
		out, ways := next[to*width:][:width], choice[to*width:][:width]
		for k := low; k < len(was); k++ {
			c := was[k] + extra
			if c > most+saves {
				continue
			}
			for i, p := range net[:max(0, min(len(net), width-k-d.lo))] {
				j := k + d.lo + i
				if v := c + p; v <= most && v < out[j] {
					out[j], ways[j] = v, uint32(d.lo+i)<<16|uint32(from)
					first, last = min(first, j), max(last, j)
				}
			}
		}
	}
	return first, last
}
