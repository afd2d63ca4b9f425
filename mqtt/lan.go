package mqtt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	lanTimeout = 4 * time.Second // for a device of the house to answer
	lanBody    = 64 << 10        // bytes of an answer that are read
)

var errNotLAN = errors.New("the address is not in the house's network")

// lanClient asks devices of the house over HTTP: no proxy, no redirection, and
// no address outside of private networks, whatever a name resolves to.
func lanClient() *http.Client {
	dialer := &net.Dialer{Timeout: lanTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		if at, err := netip.ParseAddrPort(address); err != nil || !inLAN(at.Addr()) {
			return errNotLAN
		}
		return nil
	}}
	return &http.Client{
		Timeout:       lanTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 16 << 10,
		},
	}
}

// inLAN says whether an address belongs to a private network.
func inLAN(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()
}

// fetch asks a URL: POST if there is a body, else GET. Any status but 2xx is an
// error.
func fetch(ctx context.Context, c *http.Client, url, body string) ([]byte, error) {
	method, reader := http.MethodGet, io.Reader(nil)
	if body != "" {
		method, reader = http.MethodPost, strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(body, "{") || strings.HasPrefix(body, "[") {
		req.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return nil, fmt.Errorf("the device answers %s", answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, lanBody))
}

// couriers carry orders to devices over HTTP, one order per device at a time
// and in order. An order that waits is replaced by a later one: only the last
// wish counts.
type couriers struct {
	ctx    context.Context
	cancel context.CancelFunc
	going  sync.WaitGroup

	mu      sync.Mutex
	waiting map[string]func(context.Context) // by device; present while its courier is under way
	closed  bool
}

func newCouriers() *couriers {
	ctx, cancel := context.WithCancel(context.Background())
	return &couriers{ctx: ctx, cancel: cancel, waiting: map[string]func(context.Context){}}
}

// send carries out an order. It does not wait.
func (c *couriers) send(device string, order func(context.Context)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, under := c.waiting[device]
	if c.closed {
		return
	}
	if under {
		c.waiting[device] = order
		return
	}
	c.waiting[device] = nil
	c.going.Go(func() {
		for order != nil {
			order(c.ctx)
			c.mu.Lock()
			if order = c.waiting[device]; order == nil {
				delete(c.waiting, device)
			} else {
				c.waiting[device] = nil
			}
			c.mu.Unlock()
		}
	})
}

// close cuts what is under way and waits for it.
func (c *couriers) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.going.Wait()
}
