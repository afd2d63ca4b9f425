// Package systemd tells the service manager that the hub is ready and alive.
// It speaks the notify protocol of sd_notify(3) and imports the standard
// library only. The unit files of the project lie beside it.
package systemd

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// Notifier talks to the service manager. The zero value talks to nobody, which
// is right outside of systemd.
type Notifier struct {
	socket   string
	watchdog time.Duration
}

// FromEnviron reads NOTIFY_SOCKET and WATCHDOG_USEC by getenv (os.Getenv). A
// watchdog meant for another process (WATCHDOG_PID) is ignored.
func FromEnviron(getenv func(string) string) Notifier {
	n := Notifier{socket: getenv("NOTIFY_SOCKET")}
	if pid := getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return n
	}
	if us, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 {
		n.watchdog = time.Duration(us) * time.Microsecond
	}
	return n
}

// Ready says that the hub serves.
func (n Notifier) Ready() error { return n.send("READY=1") }

// Stopping says that the hub is on its way down.
func (n Notifier) Stopping() error { return n.send("STOPPING=1") }

// Status sets the line that systemctl status shows.
func (n Notifier) Status(text string) error { return n.send("STATUS=" + text) }

// Watch pings the watchdog three times per period for as long as alive says
// nil, until ctx ends. A part that makes no progress stops the pings, and
// systemd then restarts the hub. Without a watchdog it only waits.
func (n Notifier) Watch(ctx context.Context, alive func() error, stuck func(error)) error {
	if n.watchdog == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(n.watchdog / 3)
	defer tick.Stop()
	for {
		if err := alive(); err != nil {
			stuck(err)
		} else if err := n.send("WATCHDOG=1"); err != nil {
			stuck(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (n Notifier) send(state string) error {
	if n.socket == "" {
		return nil
	}
	// A leading @ names an abstract socket; net knows that form too.
	conn, err := net.Dial("unixgram", n.socket)
	if err != nil {
		return fmt.Errorf("notifying systemd: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("notifying systemd: %w", err)
	}
	return nil
}
