package tsdb

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestEveryByteIsCounted compares the engine's own count with that of the file
// layer under it, over segments, indexes, catalogues and the ring.
func TestEveryByteIsCounted(t *testing.T) {
	fresh := newPowerFS()
	db := openSmall(t, fresh)
	must(t, db.Create(power("house")))
	for i := range 40000 {
		at := t0.Add(time.Duration(i) * 10 * time.Second)
		must(t, db.Append("house", at, float64(i*i%977)))
		if i%60 == 59 {
			must(t, db.Flush(at))
		}
	}
	must(t, db.Close())
	if fresh.written["seg-000001.hhx.new"] == 0 || fresh.written["seg-000002.hhs"] == 0 {
		t.Fatalf("written: %v", fresh.written)
	}
	flushes := fresh.dirSyncs
	for _, n := range fresh.syncs {
		flushes += n
	}
	if s := db.Status(); s.BytesTotal != fresh.total() || s.Flushes != int64(flushes) {
		t.Errorf("counted %d bytes and %d flushes, the disk got %d and %d", s.BytesTotal, s.Flushes, fresh.total(), flushes)
	}
}

func TestTheCountBeginsAnewEveryDay(t *testing.T) {
	db := mustOpen(t, Config{FS: newPowerFS(), Now: func() time.Time { return t0 }})
	must(t, db.Create(power("house")))
	made := db.Status().BytesToday
	flush := func(at time.Time) {
		t.Helper()
		must(t, db.Append("house", t0.Add(-time.Hour), float64(at.Unix())))
		must(t, db.Flush(at))
	}
	flush(t0.Add(23 * time.Hour))
	if s := db.Status(); s.BytesToday != made+512 || s.BytesYesterday != 0 || made == 0 {
		t.Errorf("on the first day %+v, made %d", s, made)
	}
	flush(t0.Add(24 * time.Hour))
	flush(t0.Add(25 * time.Hour))
	if s := db.Status(); s.BytesToday != 1024 || s.BytesYesterday != made+512 || s.FlushesToday != 2 {
		t.Errorf("on the second day %+v", s)
	}
	flush(t0.Add(72 * time.Hour))
	if s := db.Status(); s.BytesToday != 512 || s.BytesYesterday != 0 {
		t.Errorf("after a day without power %+v", s)
	}
}

// TestDeviceTakesNoMoreThanTheBudget writes windows of the standard work to
// ext4 on a loop device mounted as operations.md says, in real time, and reads
// what the kernel sent to the device. File-system timers write on their own,
// which no count of the engine's can see.
func TestDeviceTakesNoMoreThanTheBudget(t *testing.T) {
	switch {
	case os.Getenv("TSDB_DEVICE") == "":
		t.Skip("takes 90 s: TSDB_DEVICE is not set")
	case testing.Short() || os.Geteuid() != 0:
		t.Skip("needs root and 90 s")
	}
	dir, stat := loopMount(t, "noatime,commit=3600")
	db := mustOpen(t, Config{Dir: dir})
	src := newSource20(1)
	feeds := src.configs()
	for _, f := range feeds {
		must(t, db.Create(f))
	}
	var vals []float64
	at := t0
	window := func() {
		for range 6 {
			at = at.Add(10 * time.Second)
			vals = src.next(vals)
			for i, f := range feeds {
				must(t, db.Append(f.Name, at, vals[i]))
			}
		}
		must(t, db.Flush(at))
	}
	window()
	must(t, exec.Command("sync", "-f", dir).Run())
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range 20 { // what making and mounting left behind
		<-tick.C
	}
	before, was := stat(), db.Status()
	const windows = 70
	for range windows {
		<-tick.C
		window()
	}
	after, now := stat(), db.Status()
	sectors, flushes := after.sectors-before.sectors, after.flushes-before.flushes
	day := float64(sectors) * 512 * 1440 / windows / 1e6
	t.Logf("%d windows: %d sectors and %d flushes on the device, %d bytes by the engine's count: %.2f MB a day of records",
		windows, sectors, flushes, now.BytesTotal-was.BytesTotal, day)
	if day > 1.1-0.07 || flushes > windows+2 { // 0.07 MB of blocks and indexes come on top
		t.Errorf("%.2f MB a day and %d flushes in %d windows", day, flushes, windows)
	}
	must(t, db.Close())
}

type deviceStat struct{ sectors, flushes int64 }

// loopMount makes an ext4 image, mounts it, and returns the folder and what
// the kernel counts for the device.
func loopMount(t *testing.T, options string) (dir string, stat func() deviceStat) {
	t.Helper()
	run := func(name string, args ...string) string {
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			t.Skipf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	base := t.TempDir()
	image, dir := filepath.Join(base, "image"), filepath.Join(base, "mount")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, 64<<20))
	run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
	loop := run("losetup", "-f", "--show", image)
	t.Cleanup(func() { _ = exec.Command("losetup", "-d", loop).Run() })
	run("mount", "-o", options, loop, dir)
	t.Cleanup(func() { _ = exec.Command("umount", dir).Run() })
	return dir, func() deviceStat {
		b, err := os.ReadFile("/sys/block/" + filepath.Base(loop) + "/stat")
		must(t, err)
		f := strings.Fields(string(b))
		if len(f) < 17 {
			t.Skip("the kernel counts no flushes")
		}
		var s deviceStat
		s.sectors, _ = strconv.ParseInt(f[6], 10, 64)
		s.flushes, _ = strconv.ParseInt(f[15], 10, 64)
		return s
	}
}
