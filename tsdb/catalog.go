package tsdb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"
)

// The catalogue names the feeds and their generations. It is small, changes
// only when somebody creates or trims a feed, and is replaced as a whole
// (FORMAT.md §2).
const (
	catalogFile = "catalog"
	catalogOld  = "catalog.old"
	catalogMark = "crc32c "
)

type catalog struct {
	Format  int           `json:"format"`
	ID      uint64        `json:"id"`     // of the folder; ring and segments carry it too
	Serial  uint64        `json:"serial"` // the highest one counts
	NextGen uint32        `json:"next_generation"`
	Feeds   []catalogFeed `json:"feeds"`
}

type catalogFeed struct {
	Name        string       `json:"name"`
	Kind        Kind         `json:"kind"`
	Decimals    int          `json:"decimals"`
	Unit        string       `json:"unit,omitempty"`
	Generations []catalogGen `json:"generations"`
}

// catalogGen is a stretch of a feed with one interval.
type catalogGen struct {
	ID       uint32 `json:"id"`
	Interval int64  `json:"interval"`           // seconds
	Phase    int64  `json:"phase,omitempty"`    // slot s begins at s*interval+phase
	From     *int64 `json:"from,omitempty"`     // Unix seconds from which it counts; none for the first
	Trim     *int64 `json:"trim,omitempty"`     // slots below were given up
	Imported *pair  `json:"imported,omitempty"` // extent of a PHPFina file, which may begin and end with gaps
}

// pair is what a PHPFina file says of itself.
type pair struct {
	Start  int64 `json:"start"` // Unix seconds
	Points int64 `json:"points"`
}

// encode adds the checksum line.
func (c *catalog) encode() ([]byte, error) {
	b, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(b, "\n%s%08x\n", catalogMark, crc(b)), nil
}

func decodeCatalog(b []byte) (*catalog, error) {
	at := bytes.LastIndex(b, []byte("\n"+catalogMark))
	if at < 0 {
		return nil, fmt.Errorf("catalogue has no checksum: %w", errBlock)
	}
	var sum uint32
	if _, err := fmt.Sscanf(string(b[at+1+len(catalogMark):]), "%08x", &sum); err != nil || sum != crc(b[:at]) {
		return nil, fmt.Errorf("catalogue's checksum is wrong: %w", errBlock)
	}
	var c catalog
	if err := json.Unmarshal(b[:at], &c); err != nil {
		return nil, err
	}
	if c.Format != 1 {
		return nil, fmt.Errorf("catalogue has format %d, want 1: %w", c.Format, errBlock)
	}
	for _, f := range c.Feeds {
		for _, g := range f.Generations {
			if g.Interval < 1 || g.Interval > 24*3600 || len(f.Generations) == 0 || f.Decimals < 0 || f.Decimals > maxScale {
				return nil, fmt.Errorf("catalogue describes feed %q wrongly: %w", f.Name, errBlock)
			}
		}
	}
	return &c, nil
}

// loadCatalog takes the newest copy that is whole. Damage tells what was wrong
// with the others.
func loadCatalog(fsys FS, dir string) (best *catalog, damage []string) {
	for _, name := range []string{catalogFile, catalogFile + ".new", catalogOld} {
		b, err := readAll(fsys, filepath.Join(dir, name))
		if err != nil {
			continue
		}
		c, err := decodeCatalog(b)
		if err != nil {
			if name == catalogFile {
				damage = append(damage, fmt.Sprintf("reading %s: %v", name, err))
			}
			continue
		}
		if best == nil || c.Serial > best.Serial {
			best = c
		}
	}
	return best, damage
}

// saveCatalog writes the catalogue twice, so that one bad sector cannot take
// both copies.
func saveCatalog(fsys FS, dir string, c *catalog) error {
	b, err := c.encode()
	if err != nil {
		return err
	}
	if err := writeAtomic(fsys, filepath.Join(dir, catalogFile), b); err != nil {
		return fmt.Errorf("writing catalogue: %w", err)
	}
	if err := writeAtomic(fsys, filepath.Join(dir, catalogOld), b); err != nil {
		return fmt.Errorf("writing second catalogue: %w", err)
	}
	return nil
}

func (f *catalogFeed) config() FeedConfig {
	last := f.Generations[len(f.Generations)-1]
	return FeedConfig{
		Name: f.Name, Kind: f.Kind, Decimals: f.Decimals, Unit: f.Unit,
		Interval: time.Duration(last.Interval) * time.Second,
	}
}
