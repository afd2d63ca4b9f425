package tsdb

import "time"

// countedFS counts what the engine hands to the device, every byte and every
// flush of every file: the daily budget of an SD card is what it is made for.
type countedFS struct {
	FS
	st *statusBook
}

// OpenFile opens a file whose writes count.
func (c countedFS) OpenFile(path string, mode OpenMode) (File, error) {
	f, err := c.FS.OpenFile(path, mode)
	if err != nil {
		return nil, err
	}
	return countedFile{f, c.st}, nil
}

// SyncDir is a flush of the device too.
func (c countedFS) SyncDir(path string) error {
	c.st.wrote(0, 1)
	return c.FS.SyncDir(path)
}

type countedFile struct {
	File
	st *statusBook
}

func (f countedFile) WriteAt(b []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(b, off)
	f.st.wrote(int64(n), 0)
	return n, err
}

func (f countedFile) Sync() error {
	f.st.wrote(0, 1)
	return f.File.Sync()
}

// wrote counts bytes and flushes in the day of the last tick.
func (s *statusBook) wrote(n, flushes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.today += n
	s.total += n
	s.todayFl += flushes
	s.flushes += flushes
}

// tick starts a new day's count when the day changes.
func (s *statusBook) tick(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	day := floorDiv(now.Unix(), 86400)
	switch {
	case day == s.day:
		return
	case day == s.day+1:
		s.yesterday = s.today
	default:
		s.yesterday = 0
	}
	s.day, s.today, s.todayFl = day, 0, 0
}
