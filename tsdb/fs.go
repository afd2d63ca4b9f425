package tsdb

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// FS is the file layer under the engine. Tests put one there that loses power.
type FS interface {
	OpenFile(path string, mode OpenMode) (File, error)
	Rename(from, to string) error
	Remove(path string) error
	// ReadDir lists the names in a folder, sorted.
	ReadDir(path string) ([]string, error)
	MkdirAll(path string) error
	// SyncDir makes the names in a folder survive a power cut.
	SyncDir(path string) error
	// Lock takes the folder for this process; ErrLocked if somebody has it.
	Lock(dir string) (io.Closer, error)
}

// OpenMode says what a file is opened for.
type OpenMode uint8

// The modes.
const (
	// OpenRead: reading an existing file.
	OpenRead OpenMode = iota
	// OpenWrite: reading and writing, created if it is not there.
	OpenWrite
	// OpenDirect: like OpenWrite but past the page cache, so that a write of
	// one sector stays one sector. Falls back to OpenWrite where the file
	// system cannot do it.
	OpenDirect
)

// File is an open file. Sync returns when everything written survives a power
// cut (fdatasync). Unit is the smallest aligned piece that can be written.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Sync() error
	Unit() int
}

type osFS struct{}

type osFile struct {
	*os.File
	unit int
}

func (osFS) OpenFile(path string, mode OpenMode) (File, error) {
	switch mode {
	case OpenRead:
		f, err := os.Open(path)
		return osFile{f, 1}, err
	case OpenDirect:
		if f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_DIRECT, 0o600); err == nil {
			if unit := directUnit(f); unit > 0 {
				return osFile{f, unit}, nil
			}
			f.Close()
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	return osFile{f, 1}, err
}

// directUnit is the sector size direct writes to f need, 0 if unknown.
func directUnit(f *os.File) int {
	if st, err := f.Stat(); err == nil && st.Mode()&fs.ModeDevice != 0 {
		if n, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKSSZGET); err == nil {
			return n
		}
		return 0
	}
	var st unix.Statx_t
	err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &st)
	if err == nil && st.Mask&unix.STATX_DIOALIGN != 0 {
		return int(st.Dio_offset_align) // 0 if the file cannot
	}
	return probeUnit(f)
}

// probeUnit finds the unit by trying, on kernels before 6.1.
func probeUnit(f *os.File) int {
	st, err := f.Stat()
	if err != nil {
		return 0
	}
	if st.Size() == 0 { // reads at the end succeed whatever their size
		return 4096
	}
	for _, n := range []int{512, 4096} {
		if _, err := f.ReadAt(alignedBuffer(n), 0); err == nil || errors.Is(err, io.EOF) {
			return n
		}
	}
	return 0
}

func (f osFile) Size() (int64, error) { return f.Seek(0, io.SeekEnd) }
func (f osFile) Unit() int            { return f.unit }

func (f osFile) Sync() error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Remove(path string) error     { return os.Remove(path) }
func (osFS) MkdirAll(path string) error   { return os.MkdirAll(path, 0o700) }

func (osFS) ReadDir(path string) ([]string, error) {
	list, err := os.ReadDir(path)
	names := make([]string, 0, len(list))
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names, err
}

func (osFS) SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Lock puts a flock on the file "lock" in dir, or on dir itself where no file
// can be made. The kernel drops it when the process ends, however it ends.
func (osFS) Lock(dir string) (io.Closer, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		if f, err = os.Open(dir); err != nil {
			return nil, err
		}
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			pid, _ := os.ReadFile(path)
			return nil, fmt.Errorf("%s is open in process %s: %w", dir, strings.TrimSpace(string(pid)), ErrLocked)
		}
		return nil, err
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return f, nil
}

// isFull tells a full disk from other trouble.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// isReadOnly tells a folder that cannot be written from other trouble.
func isReadOnly(err error) bool {
	return errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrReadOnly)
}

// alignedBuffer is n bytes that start on a 4 KiB boundary, as direct writes
// need them.
func alignedBuffer(n int) []byte {
	const align = 4096
	b := make([]byte, n+align)
	skip := (align - int(uintptr(unsafe.Pointer(&b[0]))%align)) % align
	return b[skip : skip+n : skip+n]
}

// writeAtomic replaces a file by one with the given content: after a power
// cut there is the old one or the new one.
func writeAtomic(fsys FS, path string, content []byte) error {
	temp := path + ".new"
	if err := fsys.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := fsys.OpenFile(temp, OpenWrite)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err == nil {
		err = fsys.Rename(temp, path)
	}
	if err == nil {
		err = fsys.SyncDir(filepath.Dir(path))
	}
	return err
}

// readAll reads a whole small file.
func readAll(fsys FS, path string) ([]byte, error) {
	f, err := fsys.OpenFile(path, OpenRead)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	n, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	_, err = f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b, err
}
