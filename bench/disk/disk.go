// Package disk makes ext4 file systems on loop devices and reads what the
// kernel wrote to them. It needs root. Everything happens in a mount
// namespace of its own and every loop device clears itself, so that nothing
// is left behind however the process ends.
package disk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Loop is a loop device over an open file.
type Loop struct {
	Path string // /dev/loopN
	fd   int
}

// Attach makes a loop device over a file that can be read and written.
func Attach(backing int) (*Loop, error) {
	ctl, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening /dev/loop-control: %w", err)
	}
	defer unix.Close(ctl)
	for { // somebody else may take the free one
		n, err := unix.IoctlRetInt(ctl, unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("looking for a free loop device: %w", err)
		}
		path := "/dev/loop" + strconv.Itoa(n)
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("opening %s: %w", path, err)
		}
		cfg := unix.LoopConfig{Fd: uint32(backing)}
		cfg.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
		if err = unix.IoctlLoopConfigure(fd, &cfg); err == nil {
			return &Loop{path, fd}, nil
		}
		unix.Close(fd)
		if !errors.Is(err, unix.EBUSY) {
			return nil, fmt.Errorf("configuring %s: %w", path, err)
		}
	}
}

// Close lets go of the device; it clears itself when it is not mounted.
func (l *Loop) Close() error { return unix.Close(l.fd) }

// Format makes an ext4 file system of 4 KiB blocks with everything
// initialised, so that nothing is written later for its own sake.
func (l *Loop) Format() error {
	out, err := exec.Command("mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0", l.Path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mkfs.ext4: %w: %s", err, out)
	}
	return nil
}

// Mount mounts the ext4 file system of the device, noatime and with further
// options like "commit=3600".
func (l *Loop) Mount(dir, options string) error {
	if err := unix.Mount(l.Path, dir, "ext4", unix.MS_NOATIME, options); err != nil {
		return fmt.Errorf("mounting %s: %w", l.Path, err)
	}
	return nil
}

// Unmount unmounts a folder.
func Unmount(dir string) error { return unix.Unmount(dir, 0) }

// Stat is what a block device did so far.
type Stat struct {
	Writes  int64 // requests, flushes not included
	Bytes   int64 // written
	Flushes int64
}

// Stat reads the counters of the device.
func (l *Loop) Stat() (Stat, error) {
	raw, err := os.ReadFile("/sys/block/" + filepath.Base(l.Path) + "/stat")
	if err != nil {
		return Stat{}, err
	}
	f := strings.Fields(string(raw))
	if len(f) < 16 {
		return Stat{}, fmt.Errorf("%s: %d counters, flushes are the 16th", l.Path, len(f))
	}
	n := func(field int) int64 { v, _ := strconv.ParseInt(f[field-1], 10, 64); return v }
	return Stat{Writes: n(5), Bytes: n(7) * 512, Flushes: n(16)}, nil
}

// Sub is what happened since an earlier Stat.
func (s Stat) Sub(o Stat) Stat {
	return Stat{s.Writes - o.Writes, s.Bytes - o.Bytes, s.Flushes - o.Flushes}
}

// Image is a loop device over a file without a name.
type Image struct {
	*Loop
	Dir string // where it is mounted; empty if it is raw
}

// NewImage makes a device of size bytes in a folder. With format it is an
// ext4 file system, mounted with noatime and options.
func NewImage(folder string, size int64, format bool, options string) (*Image, error) {
	f, err := os.CreateTemp(folder, "image")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer os.Remove(f.Name())
	if err := f.Truncate(size); err != nil {
		return nil, err
	}
	loop, err := Attach(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	i := &Image{Loop: loop}
	if !format {
		return i, nil
	}
	if err = loop.Format(); err == nil {
		i.Dir, err = os.MkdirTemp(folder, "mount")
	}
	if err == nil {
		err = loop.Mount(i.Dir, options)
	}
	if err != nil {
		return nil, errors.Join(err, loop.Close())
	}
	return i, nil
}

// Close unmounts and removes the device, at the latest when nothing of it is
// in use any more: tstorage keeps files mapped after its Close.
func (i *Image) Close() error {
	var err error
	if i.Dir != "" {
		err = errors.Join(unix.Unmount(i.Dir, unix.MNT_DETACH), os.Remove(i.Dir))
	}
	return errors.Join(err, i.Loop.Close())
}
