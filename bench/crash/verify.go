package crash

import (
	"fmt"
	"strconv"
	"time"

	"homehub/store"
	"homehub/tsdb"
)

// promise is what the child was told to survive when the power went.
type promise struct {
	window  int    // last window that is durable, -1 for none
	put     int    // last setting that is durable, -1 for none
	lived   int    // windows the child lived at most, of which the disk may know
	durable string // the engine's watermark in Unix nanoseconds, "" for none
}

// verify opens what is on a disk and returns what is wrong with it.
func verify(dir string, p promise) error {
	if err := verifyEngine(dir, p); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	if err := verifyStore(dir, p); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

func verifyEngine(dir string, p promise) error {
	o, err := foresee(p.lived)
	if err != nil {
		return err
	}
	db, err := openEngine(dir)
	if err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	if s := db.Status(); s.State != tsdb.StateOK {
		return fmt.Errorf("not well after the cut: %v %v", s.State, s.Reasons)
	}
	if n, _ := strconv.ParseInt(p.durable, 10, 64); n > 0 && db.Durable().Before(time.Unix(0, n)) {
		return fmt.Errorf("the watermark went back from %v to %v", time.Unix(0, n).UTC(), db.Durable())
	}
	if err := o.judge(db, p.window); err != nil {
		return err
	}
	return goOn(dir, db, o, p)
}

// goOn checks that the engine takes points again and keeps them, with all the
// others, over another open.
func goOn(dir string, db *tsdb.DB, o *oracle, p promise) error {
	cfg := tsdb.FeedConfig{Name: "after", Interval: 10 * time.Second}
	at := birth.AddDate(1, 0, 0)
	if err := db.Create(cfg); err != nil {
		return err
	}
	if err := db.Append(cfg.Name, at, 4711); err != nil {
		return err
	}
	if err := db.Flush(at); err != nil {
		return fmt.Errorf("flushing after the cut: %w", err)
	}
	if err := db.Close(); err != nil {
		return err
	}
	db, err := openEngine(dir)
	if err != nil {
		return fmt.Errorf("opening again: %w", err)
	}
	defer db.Close()
	points, err := db.Query(cfg.Name, tsdb.Query{Start: at, End: at.Add(time.Minute)})
	if err != nil || len(points) == 0 || points[0].Value != 4711 {
		return fmt.Errorf("a point after the cut is lost: %v %w", points, err)
	}
	if err := o.judge(db, p.window); err != nil {
		return fmt.Errorf("opened again: %w", err)
	}
	return nil
}

func verifyStore(dir string, p promise) error {
	if p.window < 0 {
		return nil // perhaps its folder is not even there
	}
	st, err := openStore(dir)
	if err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	defer st.Close()
	if why := st.Problem(); why != "" {
		return fmt.Errorf("not well after the cut: %s", why)
	}
	for key := range settings {
		if err := checkSetting(st, key, p); err != nil {
			return err
		}
	}
	return st.PutSetting("after", true)
}

func checkSetting(st *store.Store, key int, p promise) error {
	var n int
	there := st.Setting(fmt.Sprint("key", key), &n)
	must := p.put - ((p.put-key)%settings+settings)%settings // the last durable put to this key
	switch {
	case !there && must >= 0 && p.put >= 0:
		return fmt.Errorf("key%d is lost, it was %d", key, must)
	case there && (n%settings != key || n*putEvery > p.lived):
		return fmt.Errorf("key%d reads %d, which it never was", key, n)
	case there && n < must:
		return fmt.Errorf("key%d reads %d, older than %d", key, n, must)
	}
	return nil
}
