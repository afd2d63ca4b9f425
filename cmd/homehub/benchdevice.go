package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// device is the block device that holds a folder, as far as the kernel tells.
type device struct{ dir, sys string }

func newDevice(dir string) device {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return device{dir: dir}
	}
	dev := uint64(st.Dev) //nolint:unconvert // 32 bits wide on some platforms
	major, minor := dev>>8&0xfff|dev>>32&^0xfff, dev&0xff|dev>>12&^0xff
	sys, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", major, minor))
	if err != nil {
		sys = ""
	}
	return device{dir, sys}
}

// settle waits until the folder's file system has written what it holds back.
func (d device) settle() {
	if f, err := os.Open(d.dir); err == nil {
		_ = f.Sync() // commits the journal; a file system that cannot has none
		f.Close()
	}
}

// count is nil if the kernel counts nothing.
func (d device) count() *deviceCount {
	b, err := os.ReadFile(filepath.Join(d.sys, "stat"))
	if err != nil || d.sys == "" {
		return nil
	}
	return parseDeviceStat(filepath.Base(d.sys), string(b))
}

// cpuSeconds is how much CPU time the process has used.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
