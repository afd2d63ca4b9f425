package systemd_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"homehub/systemd"
)

func listen(t *testing.T) (path string, next func() string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return path, func() string {
		b := make([]byte, 100)
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(b)
		if err != nil {
			return err.Error()
		}
		return string(b[:n])
	}
}

func environ(m map[string]string) func(string) string {
	return func(k string) string { return m[k] }
}

func TestReadyAndWatchdog(t *testing.T) {
	path, next := listen(t)
	n := systemd.FromEnviron(environ(map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000"}))
	if err := n.Ready(); err != nil {
		t.Fatal(err)
	}
	if got := next(); got != "READY=1" {
		t.Errorf("got %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	alive, stuck := make(chan error, 100), make(chan error, 100)
	for range 2 {
		alive <- nil
	}
	done := make(chan error)
	go func() {
		done <- n.Watch(ctx, func() error {
			select {
			case err := <-alive:
				return err
			default:
				return errors.New("the meter loop stands still")
			}
		}, func(err error) { stuck <- err })
	}()
	for range 2 {
		if got := next(); got != "WATCHDOG=1" {
			t.Errorf("got %q", got)
		}
	}
	if err := <-stuck; err.Error() != "the meter loop stands still" {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	n.Status("after the stop") // nothing else may be queued before it
	if got := next(); got != "STATUS=after the stop" {
		t.Errorf("a stuck hub pinged the watchdog: %q", got)
	}
}

func TestOutsideOfSystemd(t *testing.T) {
	if err := systemd.FromEnviron(environ(nil)).Ready(); err != nil {
		t.Error(err)
	}
	other := systemd.FromEnviron(environ(map[string]string{"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := other.Watch(ctx, func() error { t.Error("asked for another process's watchdog"); return nil }, nil); err != nil {
		t.Error(err)
	}
}
