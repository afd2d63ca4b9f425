package tsdb

import "fmt"

// besideTries is how often a folder is read that changes meanwhile. A hub
// writes once per window, and opening takes milliseconds.
const besideTries = 200

// openBeside opens a folder that another process may be writing to. Points
// wander from the ring to the segments: what is read of both fits together if
// no record was written meanwhile, else all is read again.
func openBeside(cfg Config) (*DB, error) {
	for range besideTries {
		db, err := newDB(cfg)
		if err != nil {
			return nil, err
		}
		before := db.edition()
		db.load()
		if f, err := db.fs.OpenFile(db.ringPath(), OpenRead); err == nil {
			db.adoptRing(f)
			db.closeBlocks(false)
		}
		db.reportHoles()
		if db.edition() == before {
			return db, nil
		}
		_ = db.Close()
	}
	return nil, fmt.Errorf("%s is written to faster than it can be read: %w", cfg.Dir, ErrLocked)
}

// edition tells two states of a folder apart.
type edition struct{ record, catalog uint64 }

func (db *DB) edition() (e edition) {
	c, _ := loadCatalog(db.fs, db.dir)
	if c == nil {
		return e
	}
	e.catalog = c.Serial
	f, err := db.fs.OpenFile(db.ringPath(), OpenRead)
	if err != nil {
		return e
	}
	defer f.Close()
	if r, err := openRing(f, c.ID); err == nil {
		e.record = r.next
	}
	return e
}
