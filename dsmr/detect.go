package dsmr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"homehub/hub"
)

// DetectConfig is what Detect needs. The zero value looks at all serial
// devices.
type DetectConfig struct {
	Config
	// Devices are the paths to try; nil for all that Devices finds.
	Devices []string
	// Window is how long each device is listened to at each speed; 12 s if 0,
	// which holds one interval of the slowest meters.
	Window time.Duration
}

// Devices are the serial devices of this machine under the names that stay
// when others are plugged in, where there are such.
func Devices() []string {
	var found []string
	seen := map[string]bool{}
	for _, pattern := range []string{
		"/dev/serial/by-id/*", "/dev/ttyUSB*", "/dev/ttyACM*", "/dev/ttyAMA*", "/dev/serial[0-9]",
	} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			real, err := filepath.EvalSymlinks(path)
			if err == nil && !seen[real] {
				seen[real] = true
				found = append(found, path)
			}
		}
	}
	return found
}

// Detect finds the serial device that a meter sends telegrams to, and its
// speed. It listens to all devices at once, at 115200 8N1 and then 9600 7E1,
// and is through after two windows. The error is NotFound and says for each
// device what was wrong with it.
func Detect(ctx context.Context, cfg DetectConfig) (Source, error) {
	if cfg.Devices == nil {
		cfg.Devices = Devices()
	}
	if cfg.Window == 0 {
		cfg.Window = firstSilence
	}
	if len(cfg.Devices) == 0 {
		return Source{}, hub.Errorf(hub.NotFound, "no serial device found: is the cable plugged in?")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	found := make(chan Source, len(cfg.Devices))
	failed := make([]error, len(cfg.Devices))
	var listeners sync.WaitGroup
	for i, path := range cfg.Devices {
		listeners.Go(func() {
			var s Source
			if s, failed[i] = detectOn(ctx, path, cfg); failed[i] == nil {
				found <- s
				cancel()
			}
		})
	}
	listeners.Wait()
	select {
	case s := <-found:
		return s, nil
	default:
	}
	var reasons []string
	for i, err := range failed {
		reasons = append(reasons, fmt.Sprintf("%s: %v", cfg.Devices[i], err))
	}
	return Source{}, hub.Errorf(hub.NotFound, "no meter found; %s", strings.Join(reasons, "; "))
}

// detectOn listens to one device at every speed.
func detectOn(ctx context.Context, path string, cfg DetectConfig) (Source, error) {
	var last error
	for _, l := range lines(0) {
		if last = listen(ctx, path, l, cfg); last == nil {
			return Source{Kind: Serial, Address: path, Baud: l.baud}, nil
		}
		if ctx.Err() != nil {
			return Source{}, ctx.Err()
		}
	}
	return Source{}, last
}

// listen waits for one good telegram.
func listen(ctx context.Context, path string, l line, cfg DetectConfig) error {
	p, err := openSerial(path, l)
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	ctx, cancel := context.WithTimeout(ctx, cfg.Window)
	defer cancel()
	defer context.AfterFunc(ctx, p.Interrupt)()
	counted := &counter{r: p}
	refused := ""
	cfg.Refused = func(r Refusal) { refused = r.Reason }
	if _, err = NewReader(counted, cfg.Config).Next(); err == nil {
		return nil
	}
	switch {
	case !errors.Is(err, errInterrupted):
		return errors.New("it went away")
	case refused != "":
		return fmt.Errorf("what comes is refused, %s", refused)
	case counted.n > 0:
		return errors.New("what comes is no telegram")
	}
	return errors.New("nothing comes")
}

// counter counts the bytes that are read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}
