package engine

import (
	"database/sql"
	"errors"
	"math"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver
)

// sqlite has one table without row ids, written in one transaction per
// window; WAL with synchronous=FULL makes each of them durable.
type sqlite struct {
	buffer
	db           *sql.DB
	insert, mean *sql.Stmt
}

func openSQLite(c Config, key string) (Engine, error) {
	sync := "FULL"
	if c.Bulk {
		sync = "OFF"
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.Dir, "db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous("+sync+")")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	e := &sqlite{db: db}
	_, err = db.Exec("CREATE TABLE IF NOT EXISTS points (feed INTEGER, t INTEGER, v REAL, PRIMARY KEY (" + key + ")) WITHOUT ROWID")
	if err == nil {
		e.insert, err = db.Prepare("INSERT OR REPLACE INTO points VALUES (?, ?, ?)")
	}
	if err == nil {
		// a look-up per step is faster than one statement with GROUP BY
		e.mean, err = db.Prepare("SELECT avg(v) FROM points WHERE feed = ? AND t >= ? AND t < ?")
	}
	return e, err
}

func (e *sqlite) Flush(int64) error {
	if len(e.rows) == 0 {
		return nil
	}
	tx, err := e.db.Begin()
	if err != nil {
		return err
	}
	insert := tx.Stmt(e.insert)
	for _, r := range e.rows {
		for i, v := range r.vals {
			if _, err := insert.Exec(i, r.at, v); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
	}
	e.rows = e.rows[:0]
	return tx.Commit()
}

func (e *sqlite) Means(q Query) ([]float64, error) {
	bounds := q.Bounds()
	out := make([]float64, len(bounds)-1)
	for i := range out {
		if err := e.mean.QueryRow(q.Feed, bounds[i], bounds[i+1]).Scan(&out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (e *sqlite) Raw(feed int, from, to int64) (n int, sum uint64, err error) {
	rows, err := e.db.Query("SELECT t, v FROM points WHERE feed = ? AND t >= ? AND t < ? ORDER BY t", feed, from, to)
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var at int64
		var v float64
		if err := rows.Scan(&at, &v); err != nil {
			return 0, 0, err
		}
		n++
		sum += math.Float64bits(v)
	}
	return n, sum, rows.Err()
}

func (e *sqlite) Close() error { return errors.Join(e.Flush(0), e.db.Close()) }
