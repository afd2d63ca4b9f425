package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"homehub/hub"
)

// door holds the addresses of the pages. They stay open while the hub starts
// again, so that no browser is turned away.
type door struct{ held map[string]*net.TCPListener }

func (d *door) open(addr string) (net.Listener, error) {
	if d.held[addr] == nil {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, err
		}
		if d.held == nil {
			d.held = map[string]*net.TCPListener{}
		}
		d.held[addr] = l.(*net.TCPListener)
	}
	l := d.held[addr]
	return visit{l}, l.SetDeadline(time.Time{})
}

func (d *door) shut() {
	for _, l := range d.held {
		_ = l.Close()
	}
}

// visit is the door for one run of the hub: closing it ends the waiting for
// browsers, not the listening.
type visit struct{ *net.TCPListener }

// Close makes Accept return.
func (v visit) Close() error { return v.SetDeadline(time.Unix(1, 0)) }

// secureAgain is how long the hub waits before it tries once more to open the
// address for HTTPS.
const secureAgain = 30 * time.Second

// openSecure opens the address for HTTPS and says how that is. Who is in the
// way is a line on the status page: the pages are there without TLS.
func (i *installation) openSecure() net.Listener {
	l, err := i.door.open(i.cfg.Web.ListenTLS)
	if err != nil {
		i.health.Set("https", hub.Degraded, fmt.Sprintf("the pages are not there over HTTPS: %v", err))
		return nil
	}
	i.health.Set("https", hub.OK, "")
	at, _ := l.Addr().(*net.TCPAddr) // a door holds nothing else
	i.httpsPort.Store(int64(at.Port))
	return l
}

// portOfHTTPS asks where the pages are over HTTPS at the moment; nil: they
// never are.
func (i *installation) portOfHTTPS() func() int {
	if i.cfg.Web.ListenTLS == "" {
		return nil
	}
	return func() int { return int(i.httpsPort.Load()) }
}

// serveWeb serves the pages at all their addresses until ctx ends.
func (i *installation) serveWeb(ctx context.Context, group *errgroup.Group) {
	server := &http.Server{
		Handler: i.front(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(i.part("web").Handler(), slog.LevelDebug),
	}
	i.health.Set("web", hub.OK, "")
	if i.cfg.Web.ListenTLS != "" {
		server.TLSConfig = i.authority.Pages() // before the first Serve, which decides on HTTP/2
		group.Go(func() error { return i.serveSecure(ctx, server) })
	}
	group.Go(func() error { return served(server.Serve(i.web)) })
	group.Go(func() error {
		<-ctx.Done()
		if !i.restarts.Load() { // systemd would wait for the end and then kill
			_ = i.opt.notifier.Stopping()
		}
		i.pages.Close() // streams never end by themselves
		stop, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		return errors.Join(server.Shutdown(stop), server.Close())
	})
	if i.local == nil {
		return
	}
	local := &http.Server{Handler: i.pages.Local(), ReadHeaderTimeout: 5 * time.Second, ErrorLog: server.ErrorLog}
	group.Go(func() error { return served(local.Serve(i.local)) })
	group.Go(func() error {
		<-ctx.Done()
		// Whoever asked for the end, by a reset, still gets the answer.
		stop, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		return errors.Join(local.Shutdown(stop), local.Close())
	})
}

// serveSecure serves the pages over HTTPS as soon as its address is free.
func (i *installation) serveSecure(ctx context.Context, server *http.Server) error {
	l := i.openSecure()
	for l == nil {
		if err := (hub.Clock{}).Sleep(ctx, secureAgain); err != nil {
			return nil // ctx ended
		}
		l = i.openSecure()
	}
	return served(server.ServeTLS(l, "", ""))
}

// served is nil for a server that was told to end.
func served(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
