package engine

import (
	"encoding/binary"
	"errors"
	"math"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// boltDB has a key per point, feed first or time first, and one transaction
// per window.
type boltDB struct {
	buffer
	db        *bolt.DB
	feedFirst bool
	append    bool // keys only ever come at the end
}

func openBolt(c Config, feedFirst bool) (Engine, error) {
	db, err := bolt.Open(filepath.Join(c.Dir, "db"), 0o600, &bolt.Options{NoSync: c.Bulk, NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	return &boltDB{db: db, feedFirst: feedFirst, append: !feedFirst || len(c.Feeds) == 1}, db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists([]byte("points"))
		return err
	})
}

func (e *boltDB) key(feed int, at int64) []byte {
	b := make([]byte, 0, 8)
	if e.feedFirst {
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, uint32(feed)), uint32(at))
	}
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, uint32(at)), uint32(feed))
}

func (e *boltDB) Flush(int64) error {
	if len(e.rows) == 0 {
		return nil
	}
	rows := e.rows
	e.rows = e.rows[:0]
	return e.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte("points"))
		if e.append {
			b.FillPercent = 0.95
		}
		for _, r := range rows {
			for i, v := range r.vals {
				if err := b.Put(e.key(i, r.at), binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// scan walks the points of a feed; only with the feed first that is a range.
func (e *boltDB) scan(feed int, from, to int64, point func(at int64, v float64)) error {
	return e.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket([]byte("points")).Cursor()
		end := uint64(feed)<<32 | uint64(to)
		for k, v := c.Seek(e.key(feed, from)); k != nil && binary.BigEndian.Uint64(k) < end; k, v = c.Next() {
			point(int64(binary.BigEndian.Uint32(k[4:])), math.Float64frombits(binary.LittleEndian.Uint64(v)))
		}
		return nil
	})
}

func (e *boltDB) Means(q Query) ([]float64, error) {
	if !e.feedFirst {
		return nil, errors.ErrUnsupported
	}
	m := mean{bounds: q.Bounds()}
	err := e.scan(q.Feed, q.From, q.To, m.add)
	return m.done(), err
}

func (e *boltDB) Raw(feed int, from, to int64) (n int, sum uint64, err error) {
	if !e.feedFirst {
		return 0, 0, errors.ErrUnsupported
	}
	err = e.scan(feed, from, to, func(_ int64, v float64) { n++; sum += math.Float64bits(v) })
	return n, sum, err
}

func (e *boltDB) Close() error { return errors.Join(e.Flush(0), e.db.Close()) }
