package tsdb

import (
	"math"
	"math/rand/v2"
	"testing"
)

// blocksOfEveryKind are blocks that have waypoints, and some that have none.
func blocksOfEveryKind() map[string]*cells {
	r := rand.New(rand.NewPCG(5, 6))
	gone := math.Float64frombits(missing)
	walk := 0.0
	return map[string]*cells{
		"noise":         fill(func(int) float64 { return math.Round(300 + r.NormFloat64()*9) }),
		"jumps":         fill(func(i int) float64 { return float64(i / 97 % 5 * 400) }),
		"constant":      fill(func(int) float64 { return 7 }),
		"counter":       fill(func(i int) float64 { return float64(12345678+i*5/9) / 1000 }),
		"walk":          fill(func(int) float64 { walk += float64(r.IntN(3) - 1); return 20 + walk/10 }),
		"negative":      fill(func(i int) float64 { return -float64(i*i) / 100 }),
		"huge":          fill(func(i int) float64 { return float64(int64(1)<<52 + int64(i)*7) }),
		"all missing":   fill(func(int) float64 { return gone }),
		"few points":    fill(func(i int) float64 { return [...]float64{gone, 5}[i/1000] }),
		"odd ones":      fill(func(i int) float64 { return [...]float64{3, math.Copysign(0, -1)}[i/1023] }),
		"random floats": fill(func(int) float64 { return r.NormFloat64() }),
		"gaps": fill(func(i int) float64 {
			if i%300 < 20 {
				return gone
			}
			return math.Round(230 + r.NormFloat64()*4)
		}),
	}
}

func TestReadingBeginsAtAWaypoint(t *testing.T) {
	for name, c := range blocksOfEveryKind() {
		t.Run(name, func(t *testing.T) {
			body := encodeBlock(nil, c, 0)
			d := decoded{mark: true}
			must(t, d.decode(body, blockLen))
			if dense := d.has.count(); !d.isFloat && dense > 2*wayEvery && len(body) > 40 && len(d.ways) == 0 {
				t.Error("there are no waypoints")
			}
			var scratch headScratch
			for k := 1; k <= blockLen; k++ {
				want := d.summary(0, k)
				for _, ways := range [][]byte{d.ways, nil} {
					count, sum, ok := headOf(body, ways, k, &scratch)
					if ok == d.isFloat {
						t.Fatalf("integers: %v, want %v", ok, !d.isFloat)
					}
					if ok && (count != want.count || sum != want.sum) {
						t.Fatalf("the first %d slots are %d points and %d, want %d and %d", k, count, sum, want.count, want.sum)
					}
				}
			}
		})
	}
}

// TestWaypointsSpareDecoding takes away the codes before a waypoint: what is
// behind must still be read right, and nothing before it.
func TestWaypointsSpareDecoding(t *testing.T) {
	body := encodeBlock(nil, blocksOfEveryKind()["noise"], 0)
	d := decoded{mark: true}
	must(t, d.decode(body, blockLen))
	var scratch headScratch
	must(t, scratch.u.open(scratch.out[:], body[1:]))
	codes := scratch.u.src
	clear(codes[:len(codes)/2])
	if _, sum, ok := headOf(body, d.ways, 1000, &scratch); !ok || sum != d.summary(0, 1000).sum {
		t.Errorf("sum is %d, %v", sum, ok)
	}
	if _, sum, ok := headOf(body, d.ways, 250, &scratch); ok && sum == d.summary(0, 250).sum {
		t.Error("the codes that were taken away were read")
	}
}

// TestAnIndexWithoutWaypointsServes reads an index as it was before there were
// waypoints.
func TestAnIndexWithoutWaypointsServes(t *testing.T) {
	list := []entry{{block: 5, off: 100, size: 30, ways: []byte{1, 2}, stats: stats{count: 9, sum: 3, max: 2}}, {block: 6, off: 140, size: 3}}
	old := []entry{list[0], list[1]}
	old[0].ways = nil
	for _, want := range [][]entry{list, old} {
		got, err := readEntries(appendEntries(nil, want), 2)
		must(t, err)
		if len(got) != 2 || string(got[0].ways) != string(want[0].ways) || got[1].block != 6 || got[1].size != 3 {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func FuzzWaypoints(f *testing.F) {
	for _, c := range blocksOfEveryKind() {
		d := decoded{mark: true}
		body := encodeBlock(nil, c, 0)
		must(f, d.decode(body, blockLen))
		f.Add(body, d.ways, 700)
	}
	f.Fuzz(func(_ *testing.T, body, ways []byte, k int) {
		if k >= 1 && k <= blockLen {
			var scratch headScratch
			_, _, _ = headOf(body, ways, k, &scratch)
		}
	})
}
