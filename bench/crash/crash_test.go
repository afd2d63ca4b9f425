package crash

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"homehub/bench/disk"
	"homehub/tsdb"
)

// TestMain gives the tests a mount namespace of their own, and plays child
// and verifier when Run starts this program for it.
func TestMain(m *testing.M) {
	if done, code := Main(); done {
		os.Exit(code)
	}
	if Missing() != "" || disk.Folder() != "" {
		os.Exit(m.Run())
	}
	code, err := disk.Private()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// images is how many images the tests look at; CI wants 500.
func images(t *testing.T) int {
	t.Helper()
	if why := Missing(); why != "" {
		t.Skipf("crash images cannot be made here: %s", why)
	}
	n, err := strconv.Atoi(os.Getenv("CRASH_IMAGES"))
	if err != nil {
		n = 40
	}
	return n
}

func TestCrashImages(t *testing.T) {
	n := images(t)
	for _, options := range []string{"", "commit=3600"} {
		t.Run(options, func(t *testing.T) {
			res, err := Run(t.Context(), Config{Folder: disk.Folder(), Images: n / 2, Seed: 1, Record: 6 * time.Second, Options: options})
			if err != nil {
				t.Fatal(err)
			}
			t.Log(res)
			if res.Images != n/2 || res.Puts < 2 {
				t.Errorf("too little was tried: %v", res)
			}
			for _, line := range append(res.Unmountable, res.Wrong...) {
				t.Error(line)
			}
		})
	}
}

func TestCrashImagesShowALyingCard(t *testing.T) {
	images(t)
	res, err := Run(t.Context(), Config{Folder: disk.Folder(), Images: 10, Seed: 2, Record: 2 * time.Second, Lie: 64})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(res)
	if len(res.Wrong)+len(res.Unmountable) == 0 {
		t.Error("not noticed")
	}
}

// spoiled is an engine that something happens to on the way.
type spoiled struct {
	*tsdb.DB
	append func(feed string, at time.Time, v float64) (string, time.Time, float64)
}

func (s spoiled) Append(feed string, at time.Time, v float64) error {
	feed, at, v = s.append(feed, at, v)
	if feed == "" {
		return nil
	}
	return s.DB.Append(feed, at, v)
}

// Trim trims nothing: no window of these tests does, and see "trim" below.
func (s spoiled) Trim(string, time.Time) error { return nil }

func TestOracle(t *testing.T) {
	victim := birth.Add(2 * time.Minute)
	tests := []struct {
		name                 string
		windows, acked, told int
		append               func(feed string, at time.Time, v float64) (string, time.Time, float64)
		oracle               func(o *oracle)
		want                 string
	}{
		{name: "all well", windows: 20, acked: 19, told: 20},
		{name: "more than was promised", windows: 20, acked: 10, told: 21},
		{name: "a window missing at the end", windows: 17, acked: 17, told: 18, want: "lost"},
		{name: "more than was lived", windows: 20, acked: 10, told: 15, want: "invented"},
		{name: "a point missing", windows: 20, acked: 19, told: 20, want: "lost", append: func(feed string, at time.Time, v float64) (string, time.Time, float64) {
			if feed == "house" && at.Equal(victim) {
				feed = ""
			}
			return feed, at, v
		}},
		{name: "the last bit of a value", windows: 20, acked: 19, told: 20, want: "wrong", append: func(feed string, at time.Time, v float64) (string, time.Time, float64) {
			if feed == "noise3" && at.Equal(victim) {
				v += 1e-13
			}
			return feed, at, v
		}},
		{name: "a correction forgotten", windows: 20, acked: 19, told: 20, want: "wrong", append: func(feed string, at time.Time, v float64) (string, time.Time, float64) {
			if v == 7019 {
				feed = ""
			}
			return feed, at, v
		}},
		{name: "trimmed points came back", windows: 20, acked: 19, told: 20, want: "came back", oracle: func(o *oracle) {
			o.window = 18
			_ = o.Trim("noise2", victim)
		}},
		{name: "a trim that was not promised", windows: 20, acked: 17, told: 20, oracle: func(o *oracle) {
			o.window = 18
			_ = o.Trim("noise2", victim)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db, err := tsdb.Open(tsdb.Config{Dir: t.TempDir(), Now: func() time.Time { return birth.AddDate(1, 0, 0) }, Ring: tsdb.RingConfig{Size: 64 << 10}})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			s := spoiled{db, tt.append}
			if s.append == nil {
				s.append = func(feed string, at time.Time, v float64) (string, time.Time, float64) { return feed, at, v }
			}
			for w := range tt.windows {
				if err := live(s, w); err != nil {
					t.Fatal(err)
				}
			}
			o, err := foresee(tt.told)
			if err != nil {
				t.Fatal(err)
			}
			if tt.oracle != nil {
				tt.oracle(o)
			}
			err = o.judge(db, tt.acked)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestImage builds images of one late write and wants to see each fate of it,
// while what was flushed stays.
func TestImage(t *testing.T) {
	safe := bytes.Repeat([]byte{1}, 64<<10)
	late := []op{{off: 4096, data: bytes.Repeat([]byte{2}, 4096)}}
	path := t.TempDir() + "/image"
	seen := map[string]bool{}
	r := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		if err := writeImage(path, safe, late, r); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got[:4096], safe[:4096]) || !bytes.Equal(got[8192:], safe[8192:]) {
			t.Fatal("flushed bytes changed")
		}
		switch n := bytes.Count(got, []byte{2}); {
		case n == 0:
			seen["dropped"] = true
		case n == 4096:
			seen["kept"] = true
		case n%sectorSize == 0:
			seen["torn"] = true
		default:
			t.Fatalf("%d bytes of the write", n)
		}
	}
	if len(seen) != 3 {
		t.Errorf("only %v", seen)
	}
}

func TestPromised(t *testing.T) {
	tr := &trace{acks: []ack{{5, promise{window: 0, put: -1}}, {9, promise{window: 1, put: 0}}}, lived: 3}
	for cut, want := range map[int]promise{4: {-1, -1, 3, ""}, 5: {0, -1, 3, ""}, 8: {0, -1, 3, ""}, 9: {1, 0, 3, ""}} {
		if got := tr.promised(cut); got != want {
			t.Errorf("cut %d: %v, want %v", cut, got, want)
		}
	}
}
