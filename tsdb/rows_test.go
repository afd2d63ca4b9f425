package tsdb

import (
	"errors"
	"math"
	"syscall"
	"testing"
	"time"
)

// rowsOf are the values of a feed at 10 s from t0 on, and how many rows there
// are.
func rowsOf(t *testing.T, db *DB, feed string, from, to int) (vals []float64, rows int) {
	t.Helper()
	at := func(i int) time.Time { return t0.Add(time.Duration(i) * 10 * time.Second) }
	seq, err := db.Rows(feed, at(from), at(to))
	must(t, err)
	vals = make([]float64, to-from)
	for i := range vals {
		vals[i] = math.NaN()
	}
	for row := range seq {
		i := int(row.Start.Sub(at(from)) / row.Interval)
		if row.Interval != 10*time.Second || len(row.Values) == 0 || len(row.Values) > blockLen || i < 0 || i+len(row.Values) > len(vals) {
			t.Fatalf("row of %d values from %v, every %v", len(row.Values), row.Start, row.Interval)
		}
		copy(vals[i:], row.Values)
		rows++
	}
	return vals, rows
}

// lines is a database whose feed "house" counts from 0 to n-1, closed blocks
// in segments.
func lines(t *testing.T, n int) (*DB, *powerFS) {
	t.Helper()
	fsys := newPowerFS()
	db := mustOpen(t, Config{FS: fsys})
	db.batchBytes = 1
	must(t, db.Create(power("house")))
	for i := range n {
		must(t, db.Append("house", t0.Add(time.Duration(i)*10*time.Second), float64(i)))
		if i%60 == 59 {
			must(t, db.Flush(t0))
		}
	}
	return db, fsys
}

func TestRowsAreWhatWasStored(t *testing.T) {
	db, _ := lines(t, 8000)
	expect := func(what string, from, to int, want func(i int) float64) {
		t.Helper()
		for _, again := range []bool{false, true} {
			got, _ := rowsOf(t, db, "house", from, to)
			for i, v := range got {
				if w := want(from + i); v != w && !(v != v && w != w) {
					t.Fatalf("%s, again %v: value %d is %v, want %v", what, again, from+i, v, w)
				}
			}
		}
	}
	count := func(i int) float64 {
		if i < 0 || i >= 8000 {
			return math.NaN()
		}
		return float64(i)
	}
	expect("all", -5000, 12000, count)
	expect("inside a block", 3000, 3010, count)
	expect("nothing", -900, -800, count)
	must(t, db.Append("house", t0.Add(5000*10*time.Second), 7))
	corrected := func(i int) float64 {
		if i == 5000 {
			return 7
		}
		return count(i)
	}
	expect("corrected in RAM", 4000, 6000, corrected)
	must(t, db.Flush(t0))
	expect("corrected in a segment", 4000, 6000, corrected)
	must(t, db.Trim("house", t0.Add(4500*10*time.Second)))
	expect("trimmed", 4000, 6000, func(i int) float64 {
		if i < 4500 {
			return math.NaN()
		}
		return corrected(i)
	})
	must(t, db.Delete("house"))
	must(t, db.Create(power("house")))
	must(t, db.Append("house", t0.Add(5000*10*time.Second), 1))
	expect("deleted and made again", 4000, 6000, func(i int) float64 {
		if i == 5000 {
			return 1
		}
		return math.NaN()
	})
}

func TestRowsOfNothing(t *testing.T) {
	db, _ := lines(t, 10)
	if _, err := db.Rows("shed", t0, t0.Add(time.Hour)); !errors.Is(err, ErrNoFeed) {
		t.Errorf("of no feed: %v", err)
	}
	if _, err := db.Rows("house", t0.AddDate(-1e5, 0, 0), t0); !errors.Is(err, ErrConfig) {
		t.Errorf("from too far away: %v", err)
	}
	seq, err := db.Rows("house", t0.Add(time.Hour), t0)
	must(t, err)
	for row := range seq {
		t.Errorf("of no time: %v", row)
	}
	n := 0
	seq, err = db.Rows("house", t0, t0.Add(time.Hour))
	must(t, err)
	for range seq {
		n++
		break // leaves the rest alone
	}
	if n != 1 {
		t.Errorf("%d rows", n)
	}
	must(t, db.Close())
	if _, err := db.Rows("house", t0, t0.Add(time.Hour)); !errors.Is(err, ErrClosed) {
		t.Errorf("of a closed folder: %v", err)
	}
}

// TestTheCacheOfBlocksIsUsed takes the card away: what was read lately is
// still there, in blocks and on their way to one.
func TestTheCacheOfBlocksIsUsed(t *testing.T) {
	db, fsys := lines(t, 8000)
	for _, from := range []int{0, 3500} {
		_, _ = rowsOf(t, db, "house", from, from+3000)
	}
	fsys.failRead = syscall.EIO
	for i, v := range first(rowsOf(t, db, "house", 0, 6500)) {
		if v != float64(i) {
			t.Fatalf("value %d is %v", i, v)
		}
	}
	if bad := db.Status().Quarantined; len(bad) > 0 {
		t.Errorf("the card was read: %v", bad)
	}
}

// TestOnlyTheNewestBlockIsOpen reopens a folder whose ring holds several
// blocks: reading a day must not copy all of them.
func TestOnlyTheNewestBlockIsOpen(t *testing.T) {
	db, fsys := lines(t, 1)
	for i := range 5000 {
		must(t, db.Append("house", t0.Add(time.Duration(i)*10*time.Second), float64(i)))
	}
	must(t, db.flushRing())
	for _, readOnly := range []bool{false, true} {
		re := mustOpen(t, Config{FS: fsys.after(func() bool { return true }, func(n int) int { return n - 1 }), ReadOnly: readOnly})
		g := re.generations()[1].g
		if len(g.hot) != 1 || len(g.packed) < 4 {
			t.Errorf("read-only %v: %d blocks are open, %d closed", readOnly, len(g.hot), len(g.packed))
		}
		for i, v := range first(rowsOf(t, re, "house", 0, 5000)) {
			if v != float64(i) {
				t.Fatalf("value %d is %v", i, v)
			}
		}
	}
}

func first(vals []float64, _ int) []float64 { return vals }

// TestAnUnreadableBlockIsNotKept lets the card fail for a while.
func TestAnUnreadableBlockIsNotKept(t *testing.T) {
	db, fsys := lines(t, 3000)
	fsys.failRead = syscall.EIO
	if v := first(rowsOf(t, db, "house", 0, 2)); v[0] == v[0] {
		t.Fatalf("read %v from a card that fails", v)
	}
	fsys.failRead = nil
	if v := first(rowsOf(t, db, "house", 0, 2)); v[0] != 0 || v[1] != 1 {
		t.Errorf("afterwards %v", v)
	}
}

func TestTheCacheOfBlocksIsBounded(t *testing.T) {
	db := mustOpen(t, Config{FS: newPowerFS(), Cache: 4 * cachedSize})
	c := &db.blocks
	key := func(i int64) blockKey { return blockKey{off: i} }
	one := new(values)
	for i := range int64(4) {
		c.put(key(i), &values{float64(i)})
		c.put(key(i), one) // the first stays
	}
	if !c.takes(4) || c.takes(5) {
		t.Error("a query of 4 blocks fits, one of 5 does not")
	}
	for i := range int64(100) {
		if v := c.get(key(1)); v == nil || v[0] != 1 {
			t.Fatalf("the block that is asked for all the time is gone after %d others", i)
		}
		c.put(key(100+i), one)
		if len(c.ring) != 4 || len(c.at) != 4 || c.get(key(100+i)) != one {
			t.Fatalf("%d blocks, %d keys", len(c.ring), len(c.at))
		}
	}
	none := mustOpen(t, Config{FS: newPowerFS(), Cache: -1})
	if none.blocks.put(key(1), one); none.blocks.get(key(1)) != nil {
		t.Error("a cache that is off keeps blocks")
	}
	if usual := mustOpen(t, Config{FS: newPowerFS()}).blocks.max * cachedSize; usual != 2<<20 {
		t.Errorf("%d bytes where nothing is said", usual)
	}
}

// TestALongQueryLeavesTheCacheAlone reads more than the cache holds.
func TestALongQueryLeavesTheCacheAlone(t *testing.T) {
	db, _ := lines(t, 8000)
	db.blocks.max = 3
	_, _ = rowsOf(t, db, "house", 1000, 1100)
	kept := len(db.blocks.ring)
	if _, rows := rowsOf(t, db, "house", 0, 8000); rows < 8 || len(db.blocks.ring) != kept || kept == 0 {
		t.Errorf("%d rows, %d blocks kept, before %d", rows, len(db.blocks.ring), kept)
	}
}
