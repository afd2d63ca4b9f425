package engine

import (
	"errors"
	"math"
	"testing"
	"time"
	_ "time/tzdata"

	"homehub/internal/workload"
)

// TestEngines writes three hours of the standard work into every engine and
// compares what it reads, also after it was opened again.
func TestEngines(t *testing.T) {
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	const rows = 3 * 360
	var house []float64
	for _, k := range Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			now := start
			cfg := Config{Dir: t.TempDir(), Feeds: workload.New(1, 20).Feeds(), Now: func() time.Time { return now }}
			e, err := k.Open(cfg)
			if err != nil {
				t.Fatal(err)
			}
			house = house[:0]
			src := workload.New(1, 20)
			for i := range rows {
				now = start.Add(time.Duration(i) * workload.Interval * time.Second)
				row := src.Next(nil)
				house = append(house, row[2])
				if err := e.Append(now.Unix(), row); err != nil {
					t.Fatal(err)
				}
				if i%6 == 5 {
					if err := e.Flush(now.Unix()); err != nil {
						t.Fatal(err)
					}
				}
			}
			ask(t, e, start.Unix(), house)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			if e, err = k.Open(cfg); err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			ask(t, e, start.Unix(), house)
		})
	}
}

// ask compares the third feed with its values.
func ask(t *testing.T, e Engine, start int64, vals []float64) {
	t.Helper()
	const step = 70
	end := start + int64(len(vals))*workload.Interval
	means, err := e.Means(Query{Feed: 2, From: start, To: end, Step: step})
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m := mean{bounds: Query{From: start, To: end, Step: step}.Bounds()}
	for i, v := range vals {
		m.add(start+int64(i)*workload.Interval, v)
	}
	want := m.done()
	if len(means) != len(want) {
		t.Fatalf("%d means, want %d", len(means), len(want))
	}
	for i := range want {
		if math.Abs(means[i]-want[i]) > 1e-9*want[i] {
			t.Fatalf("mean %d is %v, want %v", i, means[i], want[i])
		}
	}
	n, sum, err := e.Raw(2, start+1000, end-500)
	wantSum := uint64(0)
	for _, v := range vals[100 : len(vals)-50] {
		wantSum += math.Float64bits(v)
	}
	if err != nil || n != len(vals)-150 || sum != wantSum {
		t.Fatalf("%d points that sum up to %v (%v), want %d and %v", n, sum, err, len(vals)-150, wantSum)
	}
}

func TestBoundsFollowTheZone(t *testing.T) {
	brussels, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2025, 3, 29, 0, 0, 0, 0, brussels)
	got := Query{From: from.Unix(), To: from.AddDate(0, 0, 3).Unix(), Days: brussels}.Bounds()
	want := []int64{24, 23, 24}
	if len(got) != 4 {
		t.Fatal(got)
	}
	for i, hours := range want {
		if got[i+1]-got[i] != hours*3600 {
			t.Errorf("day %d has %d s", i, got[i+1]-got[i])
		}
	}
}
