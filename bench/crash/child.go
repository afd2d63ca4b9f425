package crash

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"homehub/store"
	"homehub/tsdb"
)

// roleVar makes this program the child or the verifier, see Main.
const roleVar = "HOMEHUB_CRASH_ROLE"

// Main plays the part that Run started this program for, and says whether
// there was one. Call it first in a program that calls Run.
func Main() (done bool, code int) {
	var err error
	switch role := os.Getenv(roleVar); role {
	case "":
		return false, 0
	case "child":
		err = child(os.Args[1], os.Stdout)
	case "verify":
		var n [3]int
		for i := range n {
			n[i], _ = strconv.Atoi(os.Args[2+i])
		}
		err = verify(os.Args[1], promise{n[0], n[1], n[2], os.Args[5]})
	default:
		err = fmt.Errorf("%q is no role", role)
	}
	if err != nil {
		fmt.Println(err)
		return true, 1
	}
	return true, 0
}

const (
	settings    = 50  // keys that take turns
	putEvery    = 8   // windows
	snapEvery   = 200 // windows
	reopenEvery = 400 // windows
	pace        = 2 * time.Millisecond
)

func openEngine(dir string) (*tsdb.DB, error) {
	return tsdb.Open(tsdb.Config{Dir: filepath.Join(dir, "tsdb"), Now: func() time.Time { return birth.AddDate(20, 0, 0) }})
}

func openStore(dir string) (*store.Store, error) {
	return store.Open(store.Config{Dir: filepath.Join(dir, "store"), Logger: slog.New(slog.DiscardHandler)})
}

// child lives until it is killed. It says on out what was promised to
// survive: "w WINDOW WATERMARK" and "p PUT".
func child(dir string, out io.Writer) error {
	db, err := openEngine(dir)
	if err != nil {
		return err
	}
	st, err := openStore(dir)
	if err != nil {
		return err
	}
	tick := time.NewTicker(pace)
	for window := 0; ; window++ {
		<-tick.C
		if err := live(db, window); err != nil {
			return fmt.Errorf("window %d: %w", window, err)
		}
		if err := db.Flush(birth.Add(time.Duration(window+1) * windowSeconds * time.Second)); err != nil {
			return fmt.Errorf("window %d: %w", window, err)
		}
		fmt.Fprintln(out, "w", window, db.Durable().UnixNano())
		if window%putEvery == 0 {
			n := window / putEvery
			if err := st.PutSetting(fmt.Sprint("key", n%settings), n); err != nil {
				return fmt.Errorf("put %d: %w", n, err)
			}
			fmt.Fprintln(out, "p", n)
		}
		if window%snapEvery == snapEvery-1 {
			if err := st.Snapshot(); err != nil {
				return err
			}
		}
		if window%reopenEvery == reopenEvery-1 {
			if err := db.Close(); err != nil {
				return err
			}
			if db, err = openEngine(dir); err != nil {
				return err
			}
		}
	}
}
