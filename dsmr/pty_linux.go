package dsmr

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// OpenPTY opens a pseudo-terminal in raw mode. What is written to master
// arrives at the device slavePath, as from a serial port. Writes block when
// nobody reads the slave for long: set a write deadline on master. Closing
// master is what pulling the cable is.
func OpenPTY() (master *os.File, slavePath string, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", fmt.Errorf("opening a pseudo-terminal: %w", err)
	}
	var number uint32
	var locked int32
	var t syscall.Termios
	err = ioctl(master, syscall.TIOCGPTN, unsafe.Pointer(&number))
	if err == nil {
		err = ioctl(master, syscall.TIOCSPTLCK, unsafe.Pointer(&locked))
	}
	if err == nil {
		err = ioctl(master, syscall.TCGETS, unsafe.Pointer(&t))
	}
	if err == nil {
		t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
		t.Cflag = t.Cflag&^syscall.CSIZE | syscall.CS8
		err = ioctl(master, syscall.TCSETS, unsafe.Pointer(&t))
	}
	if err != nil {
		_ = master.Close()
		return nil, "", fmt.Errorf("setting up a pseudo-terminal: %w", err)
	}
	return master, "/dev/pts/" + strconv.Itoa(int(number)), nil
}

// ioctl goes through SyscallConn, as File.Fd would make the file blocking.
func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno syscall.Errno
	if err := conn.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg))
	}); err != nil {
		return err
	}
	if errno != 0 {
		return errno
	}
	return nil
}
