package dsmr

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"go.bug.st/serial"

	"homehub/hub"
)

// line is the setting of a serial line.
type line struct {
	baud  int
	seven bool // seven data bits and even parity
}

// lines are the settings that meters use: DSMR 4 and later, then DSMR 2 and 3.
func lines(baud int) []line {
	switch baud {
	case 0:
		return []line{{baud: 115200}, {baud: 9600, seven: true}}
	case 9600:
		return []line{{baud: 9600, seven: true}}
	}
	return []line{{baud: baud}}
}

// pollInterval is how often a hanging read looks whether it is to end. The
// port could also be closed from elsewhere, but for a moment the read would
// then use a descriptor that may already be another file's.
const pollInterval = 200 * time.Millisecond

var errInterrupted = errors.New("interrupted")

type serialPort struct {
	port        serial.Port
	lock        *os.File
	interrupted atomic.Bool
}

// openSerial opens a serial device for this process alone.
func openSerial(path string, l line) (port, error) {
	lock, err := lockDevice(path)
	if err != nil {
		return nil, err
	}
	mode := &serial.Mode{BaudRate: l.baud, DataBits: 8, Parity: serial.NoParity, StopBits: serial.OneStopBit}
	if l.seven {
		mode.DataBits, mode.Parity = 7, serial.EvenParity
	}
	p, err := serial.Open(path, mode)
	if err == nil {
		if err = p.SetReadTimeout(pollInterval); err != nil {
			_ = p.Close()
		}
	}
	if err != nil {
		_ = lock.Close()
		return nil, serialError(path, err)
	}
	lowLatency(path)
	return &serialPort{port: p, lock: lock}, nil
}

// lockDevice takes the device for this process: the kernel's exclusive mode
// does not keep root out.
func lockDevice(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, serialError(path, err)
	}
	conn, err := f.SyscallConn()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	var lockErr error
	if err := conn.Control(func(fd uintptr) {
		lockErr = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB)
	}); err != nil {
		lockErr = err
	}
	if lockErr != nil {
		_ = f.Close()
		return nil, serialError(path, lockErr)
	}
	return f, nil
}

// serialError says what to do about a port that can not be opened.
func serialError(path string, err error) error {
	var p *serial.PortError
	code := serial.PortErrorCode(-1)
	if errors.As(err, &p) {
		code = p.Code()
	}
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENODEV),
		errors.Is(err, syscall.EIO), code == serial.PortNotFound:
		return hub.Errorf(hub.Unavailable, "no serial device %s: plugged in? retrying", path)
	case errors.Is(err, os.ErrPermission), code == serial.PermissionDenied:
		return hub.Errorf(hub.Unavailable, "may not open %s: the user of the hub must be in group dialout", path)
	case errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EBUSY), code == serial.PortBusy:
		return hub.Errorf(hub.Unavailable, "%s is in use by another program", path)
	case errors.Is(err, syscall.ENOTTY), code == serial.InvalidSerialPort:
		return hub.Errorf(hub.Unavailable, "%s is not a serial device", path)
	}
	return hub.Errorf(hub.Unavailable, "opening %s: %v", path, err)
}

// lowLatency makes an FTDI adapter hand over bytes after 1 ms instead of 16. It
// takes a right that the hub may not have; then latency stays as it is.
func lowLatency(path string) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return
	}
	_ = os.WriteFile("/sys/bus/usb-serial/devices/"+filepath.Base(real)+"/latency_timer", []byte("1"), 0)
}

// Read waits for bytes. An unplugged device is an error at once.
func (p *serialPort) Read(b []byte) (int, error) {
	for !p.interrupted.Load() {
		n, err := p.port.Read(b)
		if n > 0 {
			return n, nil
		}
		if err != nil {
			return 0, io.ErrUnexpectedEOF // the library's words for it vary; it is gone
		}
	}
	return 0, errInterrupted
}

// Interrupt makes Read return within pollInterval.
func (p *serialPort) Interrupt() { p.interrupted.Store(true) }

// Close gives the device back. No Read may be under way.
func (p *serialPort) Close() error {
	err := p.port.Close()
	return errors.Join(err, p.lock.Close())
}
